import { Module } from '@nestjs/common';
import { IdempotencyInterceptor } from './idempotency.interceptor.js';
import { IdempotencyStore } from './idempotency.store.js';
import { IdempotencyExpiry } from './idempotency-expiry.js';

@Module({
  providers: [IdempotencyStore, IdempotencyInterceptor, IdempotencyExpiry],
  exports: [IdempotencyInterceptor],
})
export class IdempotencyModule {}
