import { Injectable, Logger } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import type { SystemActor } from '../access/actor.js';
import { isDatabaseUnavailable } from '../database/database-unavailable.js';
import { type AttemptResult, AttemptResultsStore, type LockedWebhook } from './attempt-results.store.js';
import { pauseMs } from './retry-schedule.js';
import { WebhookMetrics } from './webhook.metrics.js';
import { WebhookDisabling } from './webhook-disabling.js';

const ACTOR: SystemActor = { kind: 'system', name: 'webhooks' };

/** Writes down what became of attempts: those that end while others are written go into the next transaction together. */
@Injectable()
export class AttemptRecorder {
  private readonly logger = new Logger('Webhooks');
  private waiting: AttemptResult[] = [];
  private writing: Promise<void> | null = null;

  constructor(
    private readonly database: DataSource,
    private readonly store: AttemptResultsStore,
    private readonly disabling: WebhookDisabling,
    private readonly metrics: WebhookMetrics,
  ) {}

  /** Resolves when it is written, or could not be. Then its lease runs out, and the attempt is made again. */
  async record(result: AttemptResult): Promise<void> {
    this.waiting.push(result);
    // The present transaction was begun without it.
    while (this.waiting.includes(result)) {
      this.writing ??= this.writeAll().finally(() => {
        this.writing = null;
      });
      await this.writing;
    }
  }

  private async writeAll(): Promise<void> {
    // Lets what ends at the same moment come together.
    await new Promise((resolve) => setImmediate(resolve));
    const results = this.waiting;
    this.waiting = [];
    try {
      await this.database.transaction((manager) => this.write(manager, results));
    } catch (error) {
      this.metrics.resultsLost.inc(results.length);
      const what = `what became of ${results.length} attempts could not be written, so they are made again`;
      if (isDatabaseUnavailable(error)) this.logger.warn(`${what}: ${String(error)}`);
      else this.logger.error(error, what);
    }
  }

  private async write(manager: EntityManager, results: readonly AttemptResult[]): Promise<void> {
    const ids = [...new Set(results.map(({ attempt }) => attempt.webhookId))];
    for (const webhook of await this.store.lock(manager, ids)) {
      const own = results.filter(({ attempt }) => attempt.webhookId === webhook.id);
      await this.writeHealth(manager, webhook, own);
      const gone = own.find(({ outcome }) => outcome.verdict === 'gone');
      if (gone?.outcome.error && webhook.enabled)
        await this.disabling.disable(manager, webhook.id, gone.outcome.error, ACTOR);
    }
    await this.store.write(manager, results);
  }

  private async writeHealth(
    manager: EntityManager,
    { id, failures }: LockedWebhook,
    results: readonly AttemptResult[],
  ): Promise<void> {
    const last = results.at(-1);
    if (last === undefined) return;
    if (last.outcome.verdict === 'delivered') {
      if (failures > 0) await this.store.writeHealth(manager, id, 0, 0);
      return;
    }
    // Attempts that were begun while it was well and fail together are one failure.
    const more = last.attempt.isFailing || failures === 0 ? 1 : 0;
    const retryAfterMs = Math.max(...results.map(({ outcome }) => outcome.retryAfterMs ?? 0));
    await this.store.writeHealth(manager, id, failures + more, pauseMs(failures + more, retryAfterMs));
  }
}
