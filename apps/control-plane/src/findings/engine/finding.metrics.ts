import { Injectable } from '@nestjs/common';
import { Counter, Gauge, Histogram } from 'prom-client';
import { MetricsRegistry } from '../../metrics/metrics-registry.js';

@Injectable()
export class FindingMetrics {
  readonly opened: Counter;
  readonly resolved: Counter;
  readonly judged: Counter<'kind'>;
  readonly skipped: Counter;
  readonly ruleFailures: Counter<'code'>;
  readonly roundSeconds: Histogram;
  readonly judging: Gauge;

  constructor(registry: MetricsRegistry) {
    const registers = [registry];
    this.opened = new Counter({
      name: 'synscope_findings_opened_total',
      help: 'Findings that this replica opened, or opened again.',
      registers,
    });
    this.resolved = new Counter({
      name: 'synscope_findings_resolved_total',
      help: 'Findings that this replica resolved because no evidence came any more.',
      registers,
    });
    this.judged = new Counter({
      name: 'synscope_finding_records_judged_total',
      help: 'Records that rules were asked about.',
      labelNames: ['kind'],
      registers,
    });
    this.skipped = new Counter({
      name: 'synscope_finding_records_skipped_total',
      help: 'Records that no rule was asked about, because more waited than can be judged in time.',
      registers,
    });
    this.ruleFailures = new Counter({
      name: 'synscope_finding_rule_failures_total',
      help: 'How often a rule failed by an error of its own. GET /finding-rules has the last one.',
      labelNames: ['code'],
      registers,
    });
    this.roundSeconds = new Histogram({
      name: 'synscope_finding_round_seconds',
      help: 'How long a round of judging took.',
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
      registers,
    });
    this.judging = new Gauge({
      name: 'synscope_finding_engine_active',
      help: '1 on the replica that judges, 0 on the others.',
      registers,
    });
  }
}
