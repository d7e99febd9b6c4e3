import { setTimeout as delay } from 'node:timers/promises';
import { type BeforeApplicationShutdown, Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { LossCause } from '@synscope/protocol';
import { Configuration } from '../config/configuration.js';
import { uuidToBytes } from '../grpc/uuid-bytes.js';
import { ReadinessChecks } from '../health/readiness-checks.js';
import { PartitionService } from '../record-storage/partition.service.js';
import { BatchQueue } from './batch-queue.js';
import { BatchReader } from './batch-reader.js';
import { BatchRefusedError } from './batch-refused.error.js';
import { IngestMetrics } from './ingest.metrics.js';
import { INGEST_CONNECTIONS, IngestWriter } from './ingest.writer.js';
import { IngestStoppedError } from './ingest-stopped.error.js';
import type { PendingBatch } from './pending-batch.js';
import type { ReportedLoss } from './reported-loss.js';
import { type BatchIdentity, RowWriter, type TableRows } from './row-writer.js';

/** Records per transaction under load. 15,000 instead of 5,000 save Postgres a tenth of its CPU, and make every acknowledgement later. */
const GROUP_ROWS = 10_000;
/** How long a batch waits for others to share its transaction. */
const GROUP_WAIT_MS = 3;
/** How far a host's clock may be ahead of ours: farther than a wrong time zone makes it. */
const MAXIMUM_CLOCK_AHEAD_MS = 24 * 3_600_000;

export interface AgentBatch {
  /** UUIDs. */
  readonly agentId: string;
  readonly bootId: string;
  /** synscope.agent.v1.Batch in its wire form. Not kept: may be a view into a larger message. */
  readonly bytes: Uint8Array;
}

/**
 * Takes batches of records in. A batch is checked and turned into rows at once; rows wait in memory, bounded by bytes over all agents, for
 * a transaction that they share with other batches.
 */
@Injectable()
export class IngestService implements OnModuleInit, BeforeApplicationShutdown {
  private readonly logger = new Logger(IngestService.name);
  private readonly reader = new BatchReader();
  private readonly rowWriter = new RowWriter();
  private readonly queue = new BatchQueue();
  /** Batches under way by key, so that a copy waits for the first instead of being written beside it. */
  private readonly underWay = new Map<string, Promise<{ seq: number }>>();
  private readonly lanes: Promise<void>[] = [];
  private readonly waitingForRoom: (() => void)[] = [];
  private wakeLanes: (() => void)[] = [];
  private accepting = true;
  private stopped = false;

  constructor(
    private readonly configuration: Configuration,
    private readonly writer: IngestWriter,
    private readonly partitions: PartitionService,
    private readonly metrics: IngestMetrics,
    private readonly readiness: ReadinessChecks,
  ) {}

  onModuleInit(): void {
    this.metrics.watchQueue(this.queue);
    this.readiness.add({ name: 'ingest', check: async () => this.problem() });
    for (let lane = 0; lane < INGEST_CONNECTIONS; lane++) this.lanes.push(this.runLane());
  }

  /** Resolves once the queue has room: wait for it before taking the next batch from a stream. */
  async ready(): Promise<void> {
    while (this.queue.bytes >= this.configuration.ingestQueueBytes && this.accepting) {
      await new Promise<void>((resolve) => this.waitingForRoom.push(resolve));
    }
  }

  /**
   * Resolves after the commit, which is when the batch may be acknowledged; a copy of a stored batch resolves without being stored
   * again. Rejects with BatchRefusedError if it can never be stored, with IngestStoppedError at shutdown. While the database is away it waits.
   */
  async submit({ agentId, bootId, bytes }: AgentBatch): Promise<{ seq: number }> {
    if (!this.accepting) throw new IngestStoppedError();
    const receivedAtMs = Date.now();
    const { reader } = this;
    try {
      reader.read(bytes, {
        earliestUs: this.partitions.earliestUs(receivedAtMs),
        latestUs: (receivedAtMs + MAXIMUM_CLOCK_AHEAD_MS) * 1_000,
      });
    } catch (error) {
      if (error instanceof BatchRefusedError) this.metrics.refused.inc({ reason: error.reason });
      throw error;
    }
    const { seq } = reader;
    const key = `${agentId}/${bootId}/${seq}`;
    const first = this.underWay.get(key);
    if (first) {
      this.metrics.duplicates.inc();
      return first;
    }
    const loss = [...reader.loss, ...this.outOfTime(receivedAtMs * 1_000)];
    const rows = this.rowsOf({ agentId: uuidToBytes(agentId), bootId: uuidToBytes(bootId), seq });
    const { promise, resolve, reject } = Promise.withResolvers<{ seq: number }>();
    const settled = promise.finally(() => this.underWay.delete(key));
    this.underWay.set(key, settled);
    this.queue.add({
      key,
      agentId,
      bootId,
      seq,
      rows,
      loss,
      receivedAtMs,
      resolve: () => resolve({ seq }),
      reject,
    });
    this.wake();
    return settled;
  }

  /** Stops taking batches, and gives those that wait as long as any shutdown gets. What is left is sent again by its agent. */
  async beforeApplicationShutdown(): Promise<void> {
    this.accepting = false;
    this.letIn();
    this.wake();
    const deadline = delay(this.configuration.shutdownTimeoutSeconds * 1_000, undefined, { ref: false });
    await Promise.race([Promise.all(this.lanes), deadline]);
    this.stopped = true;
    this.writer.stop();
    const left: PendingBatch[] = this.queue.clear();
    if (left.length > 0) this.logger.warn(`${left.length} batches were not committed before the shutdown`);
    for (const batch of left) batch.reject(new IngestStoppedError());
    this.wake();
    await Promise.all(this.lanes);
    await this.writer.close();
  }

  /** Of the batch that was read last. */
  private rowsOf(identity: BatchIdentity): readonly TableRows[] {
    const rows: TableRows[] = [];
    for (const columns of this.reader.columns) {
      if (columns.storedCount > 0) rows.push(this.rowWriter.write(columns, identity));
    }
    return rows;
  }

  /** What was left out of the batch that was read last. Lost now: of the time that its host's clock shows, nobody would ask. */
  private outOfTime(nowUs: number): ReportedLoss[] {
    return this.reader.columns
      .filter(({ outOfTime }) => outOfTime > 0)
      .map(({ kind, outOfTime }) => ({
        cause: LossCause.OUT_OF_TIME,
        probe: kind.probe,
        records: outOfTime,
        fromUs: nowUs,
        untilUs: nowUs,
      }));
  }

  private problem(): string | null {
    if (!this.accepting) return 'shutting down';
    const { problem } = this.writer;
    return problem && `batches wait (${this.queue.bytes} bytes), because the database fails: ${problem}`;
  }

  /** One transaction at a time, until the shutdown and the last batch. */
  private async runLane(): Promise<void> {
    while (!this.stopped) {
      if (this.queue.rows < GROUP_ROWS && this.accepting) await this.waitForMore();
      const group = this.queue.take(GROUP_ROWS);
      if (!group) {
        if (!this.accepting && this.queue.isIdle) return;
        await this.waitForWork();
        continue;
      }
      await this.writer.write(group.batches);
      // Settled by the writer already, unless it was stopped.
      for (const batch of group.batches) batch.reject(new IngestStoppedError());
      this.queue.release(group);
      for (const { rows } of group.batches) for (const ofTable of rows) this.rowWriter.recycle(ofTable);
      this.letIn();
      this.wake();
    }
  }

  /** Lets batches gather, if there are any yet. */
  private async waitForMore(): Promise<void> {
    if (this.queue.batches > 0) await delay(GROUP_WAIT_MS);
  }

  private waitForWork(): Promise<void> {
    return new Promise((resolve) => this.wakeLanes.push(resolve));
  }

  private wake(): void {
    const lanes = this.wakeLanes;
    this.wakeLanes = [];
    for (const wake of lanes) wake();
  }

  /** Whoever waits for room, one after the other, so that each has added its batch before the next is let in. */
  private letIn(): void {
    if (this.waitingForRoom.length === 0) return;
    if (this.queue.bytes >= this.configuration.ingestQueueBytes && this.accepting) return;
    this.waitingForRoom.shift()?.();
    setImmediate(() => this.letIn());
  }
}
