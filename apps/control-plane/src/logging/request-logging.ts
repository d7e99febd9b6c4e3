import { AsyncLocalStorage } from 'node:async_hooks';
import type { FastifyInstance } from 'fastify';
import type { Logger } from 'pino';

const requestIds = new AsyncLocalStorage<string>();

/** The id of the request that the running code serves. */
export function currentRequestId(): string | undefined {
  return requestIds.getStore();
}

// Asked for every few seconds by whatever watches over the process.
const WATCHED_PATHS = new Set(['/healthz', '/readyz', '/metrics']);

/**
 * One line per request, without headers and bodies, which hold tokens. A success is debug, what the caller got wrong is info; what we
 * got wrong is logged where it is caught. Each answer carries the id that its log lines have.
 */
export function logRequests(fastify: FastifyInstance, logger: Logger): void {
  fastify.addHook('onRequest', (request, reply, done) => {
    reply.header('x-request-id', request.id);
    requestIds.run(request.id, done);
  });
  // Reading a body goes through events of the socket, which have a context of their own.
  fastify.addHook('preValidation', (request, _reply, done) => requestIds.run(request.id, done));
  fastify.addHook('onResponse', (request, reply, done) => {
    if (!WATCHED_PATHS.has(request.url)) {
      logger[reply.statusCode >= 400 ? 'info' : 'debug'](
        {
          requestId: request.id,
          method: request.method,
          url: request.url,
          status: reply.statusCode,
          durationMs: Math.round(reply.elapsedTime),
          remoteAddress: request.ip,
        },
        'request',
      );
    }
    done();
  });
}
