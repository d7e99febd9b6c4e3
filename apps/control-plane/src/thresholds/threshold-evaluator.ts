import { Injectable, Logger, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { formatDate } from '@synscope/api-contract';
import { Counter } from 'prom-client';
import { DataSource } from 'typeorm';
import { isDatabaseUnavailable } from '../database/database-unavailable.js';
import { toApiError } from '../errors/to-api-error.js';
import { MetricsRegistry } from '../metrics/metrics-registry.js';
import { WebhookEvents } from '../webhook-events/webhook-events.js';
import { type DueThreshold, ThresholdStore } from './threshold.store.js';
import { type Measurement, ThresholdMeasurement } from './threshold-measurement.js';
import { nextStanding, type ThresholdStanding } from './threshold-state.js';

/** How often a replica looks for what is due, milliseconds. */
const LOOK_INTERVAL_MS = 5_000;

/**
 * Evaluates each threshold once a minute, one after the other: every replica does, and whoever is first takes one on. Of several evaluations
 * of the same minute one counts, and the event is published in its transaction: so there is one, however many replicas there are.
 */
@Injectable()
export class ThresholdEvaluator implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly logger = new Logger('ThresholdEvaluator');
  private readonly evaluations: Counter<'verdict'>;
  private timer: NodeJS.Timeout | undefined;
  private looking: Promise<void> | null = null;
  private stopped = false;

  constructor(
    private readonly database: DataSource,
    private readonly store: ThresholdStore,
    private readonly measurement: ThresholdMeasurement,
    private readonly events: WebhookEvents,
    registry: MetricsRegistry,
  ) {
    this.evaluations = new Counter({
      name: 'synscope_threshold_evaluations_total',
      help: 'Minutes of thresholds that this replica has evaluated, by verdict: above, below, unknown (too few records), failed.',
      labelNames: ['verdict'],
      registers: [registry],
    });
  }

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => void this.evaluateDue(), LOOK_INTERVAL_MS).unref();
  }

  async onModuleDestroy(): Promise<void> {
    this.stopped = true;
    clearInterval(this.timer);
    await this.looking;
  }

  /** Resolves when nothing is due any more. */
  evaluateDue(): Promise<void> {
    this.looking ??= this.evaluateAll()
      .catch((error: unknown) => this.report(error))
      .finally(() => {
        this.looking = null;
      });
    return this.looking;
  }

  private async evaluateAll(): Promise<void> {
    while (!this.stopped) {
      const threshold = await this.store.claim();
      if (threshold === null) return;
      await this.evaluate(threshold);
    }
  }

  /** One that cannot be evaluated keeps no others from it. */
  private async evaluate(threshold: DueThreshold): Promise<void> {
    try {
      const measurement = await this.measurement.measure(threshold);
      await this.settle(threshold, measurement);
      this.evaluations.inc({ verdict: measurement.verdict });
    } catch (error) {
      if (isDatabaseUnavailable(error)) throw error;
      this.evaluations.inc({ verdict: 'failed' });
      const { code, message } = toApiError(error);
      if (code === 'internal_error') this.report(error);
      await this.store.postpone(threshold, message);
    }
  }

  private async settle(threshold: DueThreshold, { verdict, value, count }: Measurement): Promise<void> {
    const standing = nextStanding(threshold, verdict, threshold.minute, threshold.forMinutes);
    const settled = await this.database.transaction(async (manager) => {
      const isFirst = await this.store.settle(manager, threshold, { standing, value, count });
      if (isFirst && threshold.state === 'ok' && standing.state === 'exceeded') {
        const data = eventData(threshold, standing, value, count);
        await this.events.publish(manager, { type: 'threshold.exceeded', data });
      }
      return isFirst;
    });
    if (!settled) await this.store.postpone(threshold, null);
  }

  private report(error: unknown): void {
    if (isDatabaseUnavailable(error) || this.stopped)
      this.logger.debug(`no look at the thresholds: ${String(error)}`);
    else this.logger.error(error, 'unexpected error while evaluating thresholds');
  }
}

function eventData(
  threshold: DueThreshold,
  { minutesAbove }: ThresholdStanding,
  value: number | null,
  count: number,
) {
  const { id, name, metric, percentile, filter, aboveMs, aboveRatio, forMinutes, minCount, minute } =
    threshold;
  return {
    ...{ id, name, metric, percentile, filter, aboveMs, aboveRatio, forMinutes, minCount },
    minutesAbove,
    lastMinute: formatDate(minute),
    lastValue: value,
    lastCount: count,
  };
}
