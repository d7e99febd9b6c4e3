import { Injectable } from '@nestjs/common';
import { Counter, Gauge } from 'prom-client';
import { MetricsRegistry } from '../metrics/metrics-registry.js';
import { JoinProgressStore } from './join-progress.store.js';

@Injectable()
export class HandshakeJoinMetrics {
  readonly pairs: Counter<'match'>;
  readonly records: Counter<'pass'>;
  readonly seconds: Counter<'pass'>;

  constructor(registry: MetricsRegistry, progress: JoinProgressStore) {
    const registers = [registry];
    this.pairs = new Counter({
      name: 'synscope_handshake_pairs_total',
      help: 'Pairs of records of one handshake that this replica found, by how sure that is.',
      labelNames: ['match'],
      registers,
    });
    this.records = new Counter({
      name: 'synscope_handshake_join_records_total',
      help: 'Records that this replica has looked for pairs among, by way of looking.',
      labelNames: ['pass'],
      registers,
    });
    this.seconds = new Counter({
      name: 'synscope_handshake_join_seconds_total',
      help: 'Time that looking for pairs took.',
      labelNames: ['pass'],
      registers,
    });
    const lag = new Gauge({
      name: 'synscope_handshake_join_lag_seconds',
      help: 'How long the first record has waited that was not looked at yet.',
      registers,
    });
    new Gauge({
      name: 'synscope_handshake_join_backlog_records',
      help: 'Stored records that were not looked at yet.',
      registers,
      async collect() {
        try {
          const { records, sinceUs } = await progress.backlog('observed');
          this.set(records);
          lag.set(sinceUs === null ? 0 : Math.max(0, Date.now() / 1_000 - sinceUs / 1e6));
        } catch {
          // The database is away, which others tell. Better no figure than an old one.
          this.reset();
          lag.reset();
        }
      },
    });
  }
}
