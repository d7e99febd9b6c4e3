import { Readable } from 'node:stream';
import {
  type CallHandler,
  type ExecutionContext,
  Injectable,
  type NestInterceptor,
  StreamableFile,
} from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { mergeMap, type Observable } from 'rxjs';
import type { z } from 'zod';
import { ContinuedAccess } from '../access/continued-access.js';
import { ApiError } from '../errors/api-error.js';
import { LIST_ITEM_SCHEMA } from '../http/endpoint.js';
import { LIST_FORMATS, type ListFormat, negotiateFormat } from './accept.js';
import { csvColumns, csvHeader, csvRow } from './csv.js';
import { KeysetList } from './keyset-list.js';

/** Turns the KeysetList that a handler returns into a page of JSON, or into a stream of all of it as NDJSON or CSV. */
@Injectable()
export class ListInterceptor implements NestInterceptor {
  constructor(
    private readonly reflector: Reflector,
    private readonly access: ContinuedAccess,
  ) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const itemSchema = this.reflector.get<z.ZodType | undefined>(LIST_ITEM_SCHEMA, context.getHandler());
    if (!itemSchema) return next.handle();
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const format = negotiateFormat(request.headers.accept);
    if (!format)
      throw new ApiError(
        'not_acceptable',
        `This list is offered as ${LIST_FORMATS.join(', ')}; accept one of them`,
      );
    const reply = context.switchToHttp().getResponse<FastifyReply>();
    reply.header('vary', 'accept');
    return next.handle().pipe(
      mergeMap(async (result: unknown) => {
        if (!(result instanceof KeysetList)) throw new Error('a @ListEndpoint() must return a KeysetList');
        return format === 'application/json'
          ? result.page()
          : streamList(result, this.access.whileAllowed(request, result.chunks()), format, itemSchema, reply);
      }),
    );
  }
}

async function streamList(
  list: KeysetList<unknown>,
  chunks: Chunks,
  format: ListFormat,
  itemSchema: z.ZodType,
  reply: FastifyReply,
): Promise<StreamableFile> {
  // Read before the headers are sent, so that what fails at once is still answered as a problem.
  const [first, loss] = await Promise.all([chunks.next(), list.loss()]);
  reply.header('synscope-loss-records', String(loss.records));
  const text =
    format === 'text/csv' ? csvText(first, chunks, itemSchema) : ndjsonText(first, chunks, itemSchema);
  // Readable.from pulls the next chunk only when the socket has taken the one before.
  const stream = Readable.from(text, { objectMode: false });
  return new StreamableFile(stream, {
    type: format === 'text/csv' ? 'text/csv; charset=utf-8; header=present' : format,
  });
}

type Chunks = AsyncGenerator<readonly unknown[], void, undefined>;
type FirstChunk = IteratorResult<readonly unknown[], void>;

async function* ndjsonText(first: FirstChunk, rest: Chunks, itemSchema: z.ZodType): AsyncGenerator<string> {
  for await (const items of withFirst(first, rest)) {
    yield items.map((item) => `${JSON.stringify(itemSchema.parse(item))}\n`).join('');
  }
}

async function* csvText(first: FirstChunk, rest: Chunks, itemSchema: z.ZodType): AsyncGenerator<string> {
  const columns = csvColumns(itemSchema);
  yield csvHeader(columns);
  for await (const items of withFirst(first, rest)) {
    yield items.map((item) => csvRow(columns, itemSchema.parse(item))).join('');
  }
}

async function* withFirst(first: FirstChunk, rest: Chunks): AsyncGenerator<readonly unknown[]> {
  if (!first.value) return;
  yield first.value;
  yield* rest;
}
