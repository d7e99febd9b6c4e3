import { Injectable, Logger, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { IdempotencyStore } from './idempotency.store.js';

const INTERVAL_MS = 3_600_000;

/** Deletes keys past their day, hourly. Every replica does so: the second finds nothing. */
@Injectable()
export class IdempotencyExpiry implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly logger = new Logger(IdempotencyExpiry.name);
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly store: IdempotencyStore) {}

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => {
      this.store
        .deleteExpired()
        .catch((error: unknown) => this.logger.warn(`old keys were not deleted: ${String(error)}`));
    }, INTERVAL_MS);
    this.timer.unref();
  }

  onModuleDestroy(): void {
    clearInterval(this.timer);
  }
}
