import { HttpException } from '@nestjs/common';
import { QueryFailedError } from 'typeorm';
import { isDatabaseUnavailable } from '../database/database-unavailable.js';
import { ApiError } from './api-error.js';
import type { ErrorCode } from './error-codes.js';

// What Fastify itself refuses, before a route is reached: https://fastify.dev/docs/latest/Reference/Errors/
const FASTIFY_ERRORS: Readonly<Record<string, readonly [ErrorCode, string]>> = {
  FST_ERR_CTP_INVALID_JSON_BODY: ['malformed_json', 'The request body cannot be read as JSON'],
  FST_ERR_CTP_EMPTY_JSON_BODY: [
    'malformed_json',
    'The request body is empty; send a JSON object, or leave Content-Type out',
  ],
  FST_ERR_CTP_BODY_TOO_LARGE: [
    'body_too_large',
    'The request body is larger than SYNSCOPE_HTTP_BODY_LIMIT_BYTES allows',
  ],
  FST_ERR_CTP_INVALID_MEDIA_TYPE: ['unsupported_media_type', 'Send the body as application/json'],
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: [
    'invalid_request',
    'Content-Length differs from the length of the body',
  ],
  FST_ERR_BAD_URL: ['invalid_request', 'The address holds a malformed %-escape'],
  FST_ERR_MAX_PARAM_LENGTH: ['uri_too_long', 'A part of the path is too long'],
};

const CODE_OF_STATUS: Readonly<Record<number, ErrorCode>> = {
  400: 'invalid_request',
  401: 'unauthenticated',
  403: 'forbidden',
  404: 'route_not_found',
  406: 'not_acceptable',
  409: 'conflict',
  413: 'body_too_large',
  414: 'uri_too_long',
  415: 'unsupported_media_type',
  503: 'shutting_down',
};

const QUERY_CANCELED = '57014';

/** What an error means to the caller. What is none of the caller's business becomes `internal_error`, without a word of its message. */
export function toApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  if (isDatabaseUnavailable(error)) {
    return new ApiError('database_unavailable', 'The database cannot be reached at the moment; try again', {
      headers: { 'retry-after': '5' },
      cause: error,
    });
  }
  if (sqlState(error) === QUERY_CANCELED) {
    return new ApiError(
      'query_timeout',
      'The database took too long; ask for less, for example a shorter time range',
      {
        headers: { 'retry-after': '5' },
        cause: error,
      },
    );
  }
  return fromFastify(error) ?? fromHttpException(error) ?? unexpected(error);
}

function fromFastify(error: unknown): ApiError | undefined {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const known = FASTIFY_ERRORS[code];
  if (known) return new ApiError(known[0], known[1], { cause: error });
  if (error instanceof SyntaxError && 'statusCode' in error && error.statusCode === 400) {
    return new ApiError('malformed_json', `The request body cannot be read as JSON: ${error.message}`, {
      cause: error,
    });
  }
  return undefined;
}

function fromHttpException(error: unknown): ApiError | undefined {
  if (!(error instanceof HttpException)) return undefined;
  const code = CODE_OF_STATUS[error.getStatus()];
  if (code === 'route_not_found') {
    return new ApiError(code, `${error.message}. The routes are listed at /api/docs`, { cause: error });
  }
  return code && new ApiError(code, error.message, { cause: error });
}

function unexpected(error: unknown): ApiError {
  return new ApiError(
    'internal_error',
    'An unexpected error occurred; the log of the control plane has it under this request’s id',
    {
      cause: error,
    },
  );
}

function sqlState(error: unknown): string | undefined {
  const source = error instanceof QueryFailedError ? error.driverError : error;
  return source instanceof Error && 'code' in source ? String(source.code) : undefined;
}
