import { Counter, Gauge } from 'prom-client';
import type { MetricsRegistry } from '../metrics/metrics-registry.js';
import type { PartitionSize } from './partition.store.js';
import { PARTITIONED_TABLES } from './record-table.js';

export type DropReason = 'age' | 'size';

/** What records take, how far back they go, and what was dropped of them. Measured every minute. */
export class RecordStorageMetrics {
  private readonly bytes: Gauge<'table'>;
  private readonly oldest: Gauge<'table'>;
  private readonly droppedPartitions: Counter<'table' | 'reason'>;
  private readonly droppedBytes: Counter<'table' | 'reason'>;

  constructor(registry: MetricsRegistry, limitBytes: number) {
    const registers = [registry];
    this.bytes = new Gauge({
      name: 'synscope_record_storage_bytes',
      help: 'What the partitions of a record table take, with their indexes.',
      labelNames: ['table'],
      registers,
    });
    this.oldest = new Gauge({
      name: 'synscope_record_oldest_timestamp_seconds',
      help: 'Begin of the oldest hour of which a record table holds records, in seconds since the Unix epoch. Absent for a table without any.',
      labelNames: ['table'],
      registers,
    });
    new Gauge({
      name: 'synscope_record_storage_limit_bytes',
      help: 'SYNSCOPE_RECORD_STORAGE_BYTES, for all record tables together; 0 for no limit.',
      registers,
    }).set(limitBytes);
    this.droppedPartitions = new Counter({
      name: 'synscope_record_partitions_dropped_total',
      help: 'Partitions that this replica has dropped: by age (SYNSCOPE_RECORD_RETENTION) or by size (SYNSCOPE_RECORD_STORAGE_BYTES).',
      labelNames: ['table', 'reason'],
      registers,
    });
    this.droppedBytes = new Counter({
      name: 'synscope_record_dropped_bytes_total',
      help: 'What the partitions took that this replica has dropped.',
      labelNames: ['table', 'reason'],
      registers,
    });
    for (const table of PARTITIONED_TABLES) {
      for (const reason of ['age', 'size'] as const) {
        this.droppedPartitions.inc({ table, reason }, 0);
        this.droppedBytes.inc({ table, reason }, 0);
      }
    }
  }

  measured(sizes: readonly PartitionSize[]): void {
    for (const table of PARTITIONED_TABLES) {
      const own = sizes.filter((size) => size.table === table);
      this.bytes.set(
        { table },
        own.reduce((sum, { bytes }) => sum + bytes, 0),
      );
      const hours = own.filter(({ hasRows }) => hasRows).map(({ hour }) => hour);
      if (hours.length === 0) this.oldest.remove({ table });
      else this.oldest.set({ table }, Math.min(...hours) * 3_600);
    }
  }

  dropped({ table, bytes }: Pick<PartitionSize, 'table' | 'bytes'>, reason: DropReason): void {
    this.droppedPartitions.inc({ table, reason });
    this.droppedBytes.inc({ table, reason }, bytes);
  }
}
