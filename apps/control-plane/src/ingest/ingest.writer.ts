import { setTimeout as delay } from 'node:timers/promises';
import { Injectable, Logger } from '@nestjs/common';
import { LossCause } from '@synscope/protocol';
import type { PoolClient } from 'pg';
import { Configuration } from '../config/configuration.js';
import { createDatabasePool, type DatabasePool } from '../database/database-pool.js';
import { lossCauseName, lossProbeName } from '../record-storage/loss-names.js';
import { PartitionService } from '../record-storage/partition.service.js';
import { BatchRefusedError } from './batch-refused.error.js';
import { IngestMetrics } from './ingest.metrics.js';
import { type StoredGroup, storeGroup } from './ingest.store.js';
import { type PendingBatch, rowCountOf } from './pending-batch.js';

export const INGEST_CONNECTIONS = 2;

/** A transaction takes tens of milliseconds. One that takes this long hangs on a dead connection or a lock, and is begun again. */
const TRANSACTION_TIMEOUT_MS = 60_000;
const FIRST_RETRY_MS = 100;
const LAST_RETRY_MS = 5_000;

/** Classes 22 (data exception), 23 (integrity violation) and 54 (program limit exceeded): the rows are at fault, not the database. */
const DATA_AT_FAULT = /^(22|23|54)/;

/** Writes groups of batches until they are committed, however long the database is away. */
@Injectable()
export class IngestWriter {
  private readonly logger = new Logger(IngestWriter.name);
  private readonly pool: DatabasePool;
  private readonly stopping = new AbortController();
  /** Closes the connection of a transaction under way. */
  private readonly cuts = new Set<(reason: Error) => void>();
  private failure: string | null = null;

  constructor(
    configuration: Configuration,
    private readonly partitions: PartitionService,
    private readonly metrics: IngestMetrics,
  ) {
    this.pool = createDatabasePool({
      connectionString: configuration.databaseUrl,
      maximumConnections: INGEST_CONNECTIONS,
      statementTimeoutMs: TRANSACTION_TIMEOUT_MS,
      onConnectionLost: (error) => this.logger.debug(`an idle connection was lost: ${error.message}`),
    });
  }

  /** Why nothing can be written at the moment; null if all is well. */
  get problem(): string | null {
    return this.failure;
  }

  /** Settles every batch of the group, unless the writer is stopped first: then it returns with some of them unsettled. */
  async write(batches: readonly PendingBatch[]): Promise<void> {
    for (let attempt = 0; !this.stopping.signal.aborted; attempt++) {
      try {
        await this.store(batches);
        this.noteSuccess();
        return;
      } catch (error) {
        if (isDataAtFault(error)) return this.writeOneByOne(batches, error);
        this.noteFailure(error);
        await this.pause(attempt);
      }
    }
  }

  /** Ends retries, and cuts the transactions that are still under way: they roll back. */
  stop(): void {
    this.stopping.abort();
    for (const cut of this.cuts) cut(new Error('the control plane is shutting down'));
  }

  async close(): Promise<void> {
    await this.pool.end();
  }

  /** Something in the group cannot be stored: each batch by itself, so that only the culprit is refused. */
  private async writeOneByOne(batches: readonly PendingBatch[], error: Error): Promise<void> {
    const [first] = batches;
    if (batches.length > 1 || !first) {
      for (const batch of batches) await this.write([batch]);
      return;
    }
    // Most likely the partition was dropped behind our back: "no partition of relation found for row" has no code of its own.
    this.partitions.forget();
    try {
      await this.store([first]);
    } catch (second) {
      if (!isDataAtFault(second)) return this.write([first]);
      this.logger.error(
        `batch ${first.key} passed every check and was rejected by the database: ${error.message}`,
      );
      this.metrics.refused.inc({ reason: 'rejected_by_database' });
      first.reject(
        new BatchRefusedError('rejected_by_database', `the database rejected the batch: ${error.message}`),
      );
    }
  }

  private async store(batches: readonly PendingBatch[]): Promise<void> {
    for (const [table, rows] of Map.groupBy(
      batches.flatMap((batch) => batch.rows),
      (ofTable) => ofTable.table,
    )) {
      await this.partitions.ensure(table, new Set(rows.flatMap(({ hours }) => hours)));
    }
    const endTimer = this.metrics.commitSeconds.startTimer();
    const stored = await this.inTransaction((client) => storeGroup(client, batches));
    endTimer();
    this.count(batches, stored);
    for (const batch of batches) batch.resolve();
  }

  private async inTransaction<T>(work: (client: PoolClient) => Promise<T>): Promise<T> {
    const client = await this.pool.connect();
    let released = false;
    const release = (error?: Error) => {
      if (!released) client.release(error);
      released = true;
    };
    // Closing the connection is what ends a wait for a peer that is gone without a word.
    const watchdog = setTimeout(() => release(new Error('timed out')), TRANSACTION_TIMEOUT_MS + 5_000);
    this.cuts.add(release);
    try {
      const result = await work(client);
      release();
      return result;
    } catch (error) {
      release(error instanceof Error ? error : new Error(String(error)));
      throw error;
    } finally {
      clearTimeout(watchdog);
      this.cuts.delete(release);
    }
  }

  private count(batches: readonly PendingBatch[], { fresh, loss }: StoredGroup): void {
    this.metrics.groupRows.observe(fresh.reduce((sum, batch) => sum + rowCountOf(batch), 0));
    for (const { rows } of fresh) {
      for (const { table, count } of rows) this.metrics.rows.inc({ kind: table }, count);
    }
    this.metrics.batches.inc(fresh.length);
    this.metrics.duplicates.inc(batches.length - fresh.length);
    for (const { cause, probe, records, firstSeq, lastSeq } of loss) {
      if (records !== null) {
        const labels = { cause: lossCauseName(cause), probe: lossProbeName(probe) ?? 'any' };
        this.metrics.lostRecords.inc(labels, records);
        if (cause === LossCause.OUT_OF_TIME) this.metrics.withoutPartition.inc(records);
      } else if (firstSeq !== null && lastSeq !== null) this.metrics.lostBatches.inc(lastSeq - firstSeq + 1);
    }
  }

  private noteFailure(error: unknown): void {
    if (this.stopping.signal.aborted) return;
    const text = error instanceof Error ? error.message || error.name : String(error);
    this.metrics.retries.inc();
    // Once per outage: the readiness check has it for as long as it lasts.
    if (this.failure === null) this.logger.warn(`batches wait, because the database fails: ${text}`);
    this.failure = text;
  }

  private noteSuccess(): void {
    if (this.failure !== null) this.logger.log('the database takes batches again');
    this.failure = null;
  }

  private async pause(attempt: number): Promise<void> {
    const longest = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** attempt);
    // Jitter keeps replicas from coming back all at once.
    await delay(longest * (0.5 + Math.random() / 2), undefined, { signal: this.stopping.signal }).catch(
      () => undefined,
    );
  }
}

function isDataAtFault(error: unknown): error is Error {
  return (
    error instanceof Error && 'code' in error && DATA_AT_FAULT.test(String(error.code)) && 'severity' in error
  );
}
