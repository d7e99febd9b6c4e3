import { Injectable } from '@nestjs/common';
import { Counter, Gauge, Histogram } from 'prom-client';
import { MetricsRegistry } from '../metrics/metrics-registry.js';

@Injectable()
export class WebhookMetrics {
  readonly attempts: Counter<'outcome'>;
  readonly attemptSeconds: Histogram;
  readonly underWay: Gauge;
  readonly pending: Gauge;
  readonly givenUp: Counter;
  readonly resultsLost: Counter;

  constructor(registry: MetricsRegistry) {
    const registers = [registry];
    this.attempts = new Counter({
      name: 'synscope_webhook_attempts_total',
      help: 'Attempts of this replica to deliver an event: delivered, failed (with a retry to come), given_up (the last one) or gone (410).',
      labelNames: ['outcome'],
      registers,
    });
    this.attemptSeconds = new Histogram({
      name: 'synscope_webhook_attempt_seconds',
      help: 'How long attempts took to the head of the answer, or to the failure.',
      buckets: [0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60],
      registers,
    });
    this.underWay = new Gauge({
      name: 'synscope_webhook_attempts_under_way',
      help: 'Attempts that this replica is making.',
      registers,
    });
    this.pending = new Gauge({
      name: 'synscope_webhook_deliveries_pending',
      help: 'Deliveries of all replicas that are to be attempted, or attempted again, as of a few seconds ago.',
      registers,
    });
    this.givenUp = new Counter({
      name: 'synscope_webhook_deliveries_expired_total',
      help: 'Deliveries that this replica gave up because they were too old.',
      registers,
    });
    this.resultsLost = new Counter({
      name: 'synscope_webhook_results_lost_total',
      help: 'Attempts whose outcome could not be written; they are made again.',
      registers,
    });
  }
}
