import type { FastifyInstance } from 'fastify';
import { Histogram } from 'prom-client';
import type { MetricsRegistry } from '../metrics/metrics-registry.js';

/** Counts and times all requests, refused ones too, by the pattern of their route, so that ids do not make series. */
export function measureRequests(fastify: FastifyInstance, registry: MetricsRegistry): void {
  const duration = new Histogram({
    name: 'synscope_http_request_duration_seconds',
    help: 'Time to answer requests of the REST API, in seconds.',
    labelNames: ['method', 'route', 'status'],
    buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 60],
    registers: [registry],
  });
  fastify.addHook('onResponse', (request, reply, done) => {
    const route = request.routeOptions.url ?? 'none';
    duration.observe({ method: request.method, route, status: reply.statusCode }, reply.elapsedTime / 1_000);
    done();
  });
}
