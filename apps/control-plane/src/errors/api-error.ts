import type { Problem } from '@synscope/api-contract';
import { ERROR_CODES, type ErrorCode } from './error-codes.js';

export interface FieldError {
  /** As the caller wrote it, for example `filter.remotePorts.0`; empty for the whole. */
  readonly path: string;
  readonly message: string;
}

export interface ApiErrorOptions {
  readonly errors?: readonly FieldError[];
  /** Headers of the answer, for example Retry-After. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly cause?: unknown;
}

/** What a caller of the REST API did wrong or has to know. The one error that controllers, services and stores throw on purpose. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly errors: readonly FieldError[] | undefined;
  readonly headers: Readonly<Record<string, string>>;

  /** `detail` says what went wrong this time, and what to do about it. */
  constructor(
    readonly code: ErrorCode,
    detail: string,
    options: ApiErrorOptions = {},
  ) {
    super(detail, { cause: options.cause });
    this.errors = options.errors;
    this.headers = options.headers ?? {};
  }

  get status(): number {
    return ERROR_CODES[this.code].status;
  }

  toProblem(): Problem {
    return {
      type: `urn:synscope:problem:${this.code}`,
      title: ERROR_CODES[this.code].title,
      status: this.status,
      detail: this.message,
      code: this.code,
      ...(this.errors && { errors: [...this.errors] }),
    };
  }
}

/** 400 for one field or parameter. */
export function invalidField(path: string, message: string): ApiError {
  return new ApiError('invalid_request', `${path}: ${message}`, { errors: [{ path, message }] });
}

/** 404 for a resource, for example `notFound('agent', id)`. */
export function notFound(kind: string, id: string): ApiError {
  return new ApiError('not_found', `There is no ${kind} with the id ${id}`);
}
