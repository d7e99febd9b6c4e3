import { randomUUID } from 'node:crypto';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { sendProblem } from '../errors/problem.filter.js';
import { toApiError } from '../errors/to-api-error.js';
import { refuseConnection } from './refused-connection.js';

/** Fastify, with its own refusals (a malformed address, a body that is no JSON) answered as problems like all others. */
export class HttpAdapter extends FastifyAdapter {
  constructor(bodyLimit: number) {
    super({
      bodyLimit,
      genReqId: () => randomUUID(),
      // For the whole request to arrive, in milliseconds: no one holds a connection by sending a byte now and then.
      requestTimeout: 60_000,
      forceCloseConnections: 'idle',
      clientErrorHandler: refuseConnection,
      frameworkErrors: (error: Error, _request: FastifyRequest, reply: FastifyReply) =>
        sendProblem(reply, toApiError(error)),
    });
    // JSON is what remains.
    this.getInstance().removeContentTypeParser('text/plain');
  }

  /** Nest would make an HttpException of it and lose Fastify's code. */
  override mapException(error: unknown): unknown {
    return error;
  }
}
