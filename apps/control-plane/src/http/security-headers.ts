import type { FastifyInstance } from 'fastify';

/** For browsers: names of processes and hosts are chosen by strangers, so no answer is to be taken for another type or kept in a cache. */
export function addSecurityHeaders(fastify: FastifyInstance): void {
  fastify.addHook('onRequest', (request, reply, done) => {
    reply.header('x-content-type-options', 'nosniff');
    if (request.url.startsWith('/api/v1/')) reply.header('cache-control', 'no-store');
    done();
  });
}
