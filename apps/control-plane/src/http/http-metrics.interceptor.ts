import { type CallHandler, type ExecutionContext, Injectable, type NestInterceptor } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Histogram } from 'prom-client';
import type { Observable } from 'rxjs';
import { MetricsRegistry } from '../metrics/metrics-registry.js';

/** Counts and times requests by route (its pattern, so that ids do not make series). */
@Injectable()
export class HttpMetricsInterceptor implements NestInterceptor {
  private readonly duration: Histogram<'method' | 'route' | 'status'>;

  constructor(registry: MetricsRegistry) {
    this.duration = new Histogram({
      name: 'synscope_http_request_duration_seconds',
      help: 'Time to answer requests of the REST API, in seconds.',
      labelNames: ['method', 'route', 'status'],
      buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 60],
      registers: [registry],
    });
  }

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const reply = context.switchToHttp().getResponse<FastifyReply>();
    const stop = this.duration.startTimer({
      method: request.method,
      route: request.routeOptions.url ?? 'unknown',
    });
    reply.raw.once('close', () => stop({ status: reply.statusCode }));
    return next.handle();
  }
}
