import { Module, StandardSchemaSerializerInterceptor } from '@nestjs/common';
import { APP_FILTER, APP_INTERCEPTOR, APP_PIPE, DiscoveryModule, Reflector } from '@nestjs/core';
import { AccessModule } from '../access/access.module.js';
import { ProblemFilter } from '../errors/problem.filter.js';
import { IdempotencyInterceptor } from '../idempotency/idempotency.interceptor.js';
import { IdempotencyModule } from '../idempotency/idempotency.module.js';
import { ListInterceptor } from '../lists/list.interceptor.js';
import { RouteDeclarations } from './route-declarations.js';
import { UndeclaredInputInterceptor } from './undeclared-input.interceptor.js';
import { ValidationPipe } from './validation.pipe.js';

/** What every route of the REST API goes through. Of the interceptors the first is the outermost. */
@Module({
  imports: [DiscoveryModule, AccessModule, IdempotencyModule],
  providers: [
    RouteDeclarations,
    { provide: APP_FILTER, useClass: ProblemFilter },
    { provide: APP_PIPE, useValue: new ValidationPipe() },
    { provide: APP_INTERCEPTOR, useClass: UndeclaredInputInterceptor },
    { provide: APP_INTERCEPTOR, useExisting: IdempotencyInterceptor },
    {
      provide: APP_INTERCEPTOR,
      inject: [Reflector],
      useFactory: (reflector: Reflector) => new StandardSchemaSerializerInterceptor(reflector),
    },
    { provide: APP_INTERCEPTOR, useClass: ListInterceptor },
  ],
})
export class HttpModule {}
