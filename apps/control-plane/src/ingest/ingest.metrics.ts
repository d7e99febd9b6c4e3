import { Injectable } from '@nestjs/common';
import { Counter, Gauge, Histogram } from 'prom-client';
import { MetricsRegistry } from '../metrics/metrics-registry.js';

@Injectable()
export class IngestMetrics {
  readonly rows: Counter<'kind'>;
  readonly batches: Counter;
  readonly duplicates: Counter;
  readonly refused: Counter<'reason'>;
  readonly withoutPartition: Counter;
  readonly lostRecords: Counter<'cause' | 'probe'>;
  readonly lostBatches: Counter;
  readonly retries: Counter;
  readonly commitSeconds: Histogram;
  readonly groupRows: Histogram;

  constructor(private readonly registry: MetricsRegistry) {
    const registers = [registry];
    this.rows = new Counter({
      name: 'synscope_ingest_rows_total',
      help: 'Records committed, by their table.',
      labelNames: ['kind'],
      registers,
    });
    this.batches = new Counter({
      name: 'synscope_ingest_batches_total',
      help: 'Batches committed.',
      registers,
    });
    this.duplicates = new Counter({
      name: 'synscope_ingest_duplicate_batches_total',
      help: 'Batches that were stored already, and acknowledged again.',
      registers,
    });
    this.refused = new Counter({
      name: 'synscope_ingest_refused_batches_total',
      help: 'Batches that can never be stored.',
      labelNames: ['reason'],
      registers,
    });
    this.withoutPartition = new Counter({
      name: 'synscope_ingest_records_without_partition_total',
      help: 'Records left out because no partition is kept or made for their time: before what retention keeps, or more than a day ahead of now.',
      registers,
    });
    this.lostRecords = new Counter({
      name: 'synscope_ingest_lost_records_total',
      help: 'Records that are lost: those that agents reported, and those that were left out here.',
      labelNames: ['cause', 'probe'],
      registers,
    });
    this.lostBatches = new Counter({
      name: 'synscope_ingest_sequence_gap_batches_total',
      help: 'Batches that had not come when a later one of the same agent did.',
      registers,
    });
    this.retries = new Counter({
      name: 'synscope_ingest_retries_total',
      help: 'Transactions tried again because the database failed.',
      registers,
    });
    this.commitSeconds = new Histogram({
      name: 'synscope_ingest_commit_seconds',
      help: 'From the first statement of a group of batches to its commit.',
      buckets: [0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10],
      registers,
    });
    this.groupRows = new Histogram({
      name: 'synscope_ingest_group_rows',
      help: 'Records per transaction.',
      buckets: [1, 10, 100, 500, 1_000, 2_500, 5_000, 10_000],
      registers,
    });
  }

  /** Gauges that are read when somebody looks. */
  watchQueue(queue: { readonly bytes: number; readonly rows: number }): void {
    const registers = [this.registry];
    new Gauge({
      name: 'synscope_ingest_queue_bytes',
      help: 'Memory held by batches that are not committed yet.',
      registers,
      collect() {
        this.set(queue.bytes);
      },
    });
    new Gauge({
      name: 'synscope_ingest_queue_rows',
      help: 'Records that wait for a transaction.',
      registers,
      collect() {
        this.set(queue.rows);
      },
    });
  }
}
