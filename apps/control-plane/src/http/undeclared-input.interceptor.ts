import { type CallHandler, type ExecutionContext, Injectable, type NestInterceptor } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import type { Observable } from 'rxjs';
import { ApiError } from '../errors/api-error.js';
import { routeInputs } from './route-inputs.js';

/** Refuses a query or a body on routes that take none, as schemas refuse unknown fields on those that do. */
@Injectable()
export class UndeclaredInputInterceptor implements NestInterceptor {
  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const { body, query } = routeInputs(context.getClass(), context.getHandler().name);
    const errors = [
      ...(query ? [] : undeclared(request.query, 'this route takes no query parameters')),
      ...(body ? [] : undeclared(request.body, 'this route takes no body')),
    ];
    if (errors.length > 0) {
      throw new ApiError(
        'invalid_request',
        errors.map(({ path, message }) => `${path}: ${message}`).join('; '),
        { errors },
      );
    }
    return next.handle();
  }
}

function undeclared(given: unknown, message: string): { path: string; message: string }[] {
  if (given === undefined || given === null) return [];
  if (typeof given !== 'object') return [{ path: '', message }];
  return Object.keys(given).map((path) => ({ path, message }));
}
