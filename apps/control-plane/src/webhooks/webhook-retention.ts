import { Injectable, Logger, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { Configuration } from '../config/configuration.js';
import { WebhookRetentionStore } from './webhook-retention.store.js';

const INTERVAL_MS = 3_600_000;

/** Deletes old events with their deliveries, hourly. Every replica does so: the second finds nothing. */
@Injectable()
export class WebhookRetention implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly logger = new Logger('WebhookRetention');
  private timer: NodeJS.Timeout | undefined;
  private deleting: Promise<void> | null = null;
  private stopped = false;

  constructor(
    private readonly store: WebhookRetentionStore,
    private readonly configuration: Configuration,
  ) {}

  onApplicationBootstrap(): void {
    const begin = () => {
      this.deleting ??= this.deleteOld().finally(() => {
        this.deleting = null;
      });
    };
    this.timer = setInterval(begin, INTERVAL_MS).unref();
    begin();
  }

  async onModuleDestroy(): Promise<void> {
    this.stopped = true;
    clearInterval(this.timer);
    await this.deleting;
  }

  private async deleteOld(): Promise<void> {
    try {
      while (!this.stopped && (await this.store.deleteOld(this.configuration.webhookRetentionSeconds)) > 0);
    } catch (error) {
      this.logger.warn(`old events of webhooks were not deleted: ${String(error)}`);
    }
  }
}
