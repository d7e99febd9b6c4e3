import { randomUUID } from 'node:crypto';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Configuration } from '../config/configuration.js';
import { sendProblem } from '../errors/problem.filter.js';
import { toApiError } from '../errors/to-api-error.js';
import { refuseConnection } from './refused-connection.js';
import { methodNotAllowed, RouteTable } from './route-table.js';

type HttpAdapterOptions = Pick<
  Configuration,
  'httpBodyLimitBytes' | 'trustedProxies' | 'databaseQueryTimeoutSeconds'
>;

/** Fastify, with its own refusals (a malformed address, a body that is no JSON) answered as problems like all others. */
export class HttpAdapter extends FastifyAdapter {
  private readonly routes: RouteTable;

  constructor({ httpBodyLimitBytes, trustedProxies, databaseQueryTimeoutSeconds }: HttpAdapterOptions) {
    super({
      bodyLimit: httpBodyLimitBytes,
      trustProxy: trustedProxies.length > 0 && [...trustedProxies],
      genReqId: () => randomUUID(),
      // For the whole request to arrive, in milliseconds: no one holds a connection by sending a byte now and then.
      requestTimeout: 60_000,
      // For anything to move on a connection, in milliseconds: nobody holds one by not reading. Longer than a wait, and than a query.
      connectionTimeout: Math.max(120, databaseQueryTimeoutSeconds + 30) * 1_000,
      forceCloseConnections: 'idle',
      clientErrorHandler: refuseConnection,
      frameworkErrors: (error: Error, _request: FastifyRequest, reply: FastifyReply) =>
        sendProblem(reply, toApiError(error)),
    });
    // JSON is what remains.
    this.getInstance().removeContentTypeParser('text/plain');
    this.routes = new RouteTable(this.getInstance());
  }

  /** What Fastify finds no route for is either no route at all, or one of another method. */
  override setNotFoundHandler(handler: (request: FastifyRequest, reply: FastifyReply) => unknown) {
    return super.setNotFoundHandler((request: FastifyRequest, reply: FastifyReply) => {
      const methods = this.routes.methodsOf(request.url);
      if (methods.length === 0) return handler(request, reply);
      return sendProblem(reply, methodNotAllowed(request.method, methods));
    });
  }

  /** Nest would make an HttpException of it and lose Fastify's code. */
  override mapException(error: unknown): unknown {
    return error;
  }
}
