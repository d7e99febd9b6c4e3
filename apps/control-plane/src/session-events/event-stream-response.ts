import { Readable } from 'node:stream';
import { Logger, StreamableFile } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { toApiError } from '../errors/to-api-error.js';
import type { SessionEventStream } from './session-event-stream.js';

const logger = new Logger('SessionEvents');

/** After so many looks at a reader that takes nothing, it is given up. */
const IDLE_LOOKS = 4;

/** Tells, each time it is asked, whether a reader has taken something since, or had nothing to take. */
export function readerWatch({ raw }: FastifyReply): () => boolean {
  let taken = 0;
  let idleLooks = 0;
  return () => {
    const { bytesWritten = 0, writableLength = 0 } = raw.socket ?? {};
    const isStuck = writableLength > 0 && bytesWritten - writableLength === taken;
    taken = bytesWritten - writableLength;
    idleLooks = isStuck ? idleLooks + 1 : 0;
    return idleLooks < IDLE_LOOKS;
  };
}

/** Answers with the stream; the reader's leaving ends it, and its end the answer. */
export function respondWith(
  stream: SessionEventStream,
  request: FastifyRequest,
  reply: FastifyReply,
): StreamableFile {
  const { raw } = reply;
  raw.once('close', () => stream.close());
  // It may have left while the session was looked up.
  if (request.raw.socket.destroyed) stream.close();
  // Whoever does not take what is written already would keep the connection, and a shutdown, waiting.
  stream.closed.addEventListener('abort', () => raw.writableLength > 0 && raw.destroy(), { once: true });
  // nginx would hold back what comes until it has a whole buffer of it.
  reply.header('cache-control', 'no-store').header('x-accel-buffering', 'no');
  // Readable.from asks for more only when the socket has taken what was before.
  const text = Readable.from(reportingFailures(stream), { objectMode: false });
  return new StreamableFile(text, { type: 'text/event-stream; charset=utf-8' });
}

/** Nobody can be answered any more: the stream breaks off, to be taken up again. */
async function* reportingFailures(stream: SessionEventStream): AsyncGenerator<string, void, undefined> {
  try {
    yield* stream.text();
  } catch (error) {
    if (toApiError(error).code === 'internal_error') logger.error(error, 'unexpected error');
    else logger.warn(`a stream of live results was broken off: ${String(error)}`);
    throw error;
  }
}
