import { applyDecorators, HttpCode, SerializeOptions, SetMetadata } from '@nestjs/common';
import { ApiExtension, ApiHeader, ApiOperation, ApiResponse } from '@nestjs/swagger';
import { problemSchema } from '@synscope/api-contract';
import type { z } from 'zod';

export interface EndpointOptions {
  /** A few words, for the list of operations. */
  readonly summary: string;
  /** What it does, with limits and side effects. */
  readonly description: string;
  /** What the answer looks like; every answer is checked against it. Absent: an empty 204. */
  readonly response?: z.ZodType;
  /** 200 if left out (204 without a response). 201 for what creates. */
  readonly status?: 200 | 201 | 202 | 204;
  /** Statuses of errors beyond 400, 401, 403 and 503, each with when it happens. */
  readonly errors?: Readonly<Partial<Record<404 | 406 | 409 | 422 | 429, string>>>;
  /** Whether Idempotency-Key is honoured. True for whatever answers 201, false for the rest, if left out. */
  readonly idempotent?: boolean;
}

const SUCCESS = {
  200: 'The answer.',
  201: 'Created.',
  202: 'Taken on.',
  204: 'Done; there is no body.',
} as const;

export const IDEMPOTENT = 'synscope:idempotent';
export const LIST_ITEM_SCHEMA = 'synscope:list-item-schema';
/** Marks operations in the OpenAPI document that also stream NDJSON and CSV; removed before it is served. */
export const STREAMED_EXTENSION = 'x-synscope-streamed';
/** Marks operations in the OpenAPI document that answer with text/event-stream; removed before it is served. */
export const EVENT_STREAM_EXTENSION = 'x-synscope-event-stream';

/** Describes a route once: for the OpenAPI document, for the check of its answers, for the status. */
export function Endpoint(options: EndpointOptions): MethodDecorator {
  const status = options.status ?? (options.response ? 200 : 204);
  const idempotent = options.idempotent ?? status === 201;
  const errors = {
    ...(idempotent && {
      409: 'The Idempotency-Key was used for another request, or that request is under way.',
    }),
    ...options.errors,
  };
  return applyDecorators(
    HttpCode(status),
    SetMetadata(IDEMPOTENT, idempotent),
    ApiOperation({ summary: options.summary, description: options.description }),
    ...(options.response
      ? [
          SerializeOptions({ schema: options.response }),
          ApiResponse({ status, standardSchema: options.response, description: SUCCESS[status] }),
        ]
      : [ApiResponse({ status, description: SUCCESS[status] })]),
    problemResponse(400, 'The request is not valid; `errors` says what, field by field.'),
    problemResponse(503, 'The database cannot be reached, or the control plane is shutting down.'),
    ...Object.entries(errors).map(([code, description]) => problemResponse(Number(code), description)),
    ...(idempotent ? [idempotencyHeader()] : []),
  );
}

export interface ListEndpointOptions extends Omit<EndpointOptions, 'response' | 'status' | 'idempotent'> {
  readonly item: z.ZodType;
  /** Made by `listSchema`. */
  readonly list: z.ZodType;
}

/** An Endpoint whose handler returns a {@link KeysetList}: a page as JSON, or everything as NDJSON or CSV, as the Accept header asks. */
export function ListEndpoint({ item, list, ...options }: ListEndpointOptions): MethodDecorator {
  return applyDecorators(
    Endpoint({
      ...options,
      response: list,
      errors: { 406: 'The Accept header leaves none of the three formats.', ...options.errors },
    }),
    SetMetadata(LIST_ITEM_SCHEMA, item),
    ApiExtension(STREAMED_EXTENSION, true),
  );
}

export interface EventStreamEndpointOptions
  extends Omit<EndpointOptions, 'response' | 'status' | 'idempotent'> {
  /** One event of the stream. */
  readonly event: z.ZodType;
}

/** An endpoint whose handler answers with a stream of Server-Sent Events, which it checks and writes by itself. */
export function EventStreamEndpoint({ event, ...options }: EventStreamEndpointOptions): MethodDecorator {
  return applyDecorators(
    Endpoint({ ...options, response: event }),
    ApiExtension(EVENT_STREAM_EXTENSION, true),
  );
}

/** A documented answer with problem+json. */
export function problemResponse(status: number, description: string): MethodDecorator {
  return ApiResponse({ status, description, standardSchema: problemSchema });
}

function idempotencyHeader(): MethodDecorator {
  return ApiHeader({
    name: 'Idempotency-Key',
    required: false,
    description:
      'Any text of 1–255 printable ASCII characters. The same request with the same key gets the first answer again, for 24 hours.',
    schema: { type: 'string', minLength: 1, maxLength: 255 },
  });
}
