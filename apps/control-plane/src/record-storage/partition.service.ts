import { Injectable, Logger, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { Counter } from 'prom-client';
import { Configuration } from '../config/configuration.js';
import { isDatabaseUnavailable } from '../database/database-unavailable.js';
import { MetricsRegistry } from '../metrics/metrics-registry.js';
import { type PartitionSize, PartitionStore } from './partition.store.js';
import { HOUR_MS, hourAt, hourOfPartition } from './partition-name.js';
import { RecordStorageMetrics } from './record-storage.metrics.js';
import { PARTITIONED_TABLES, type PartitionedTable } from './record-table.js';
import { firstHourWithin } from './size-limit.js';

const HOURS_AHEAD = 3;
/** Drops what retention no longer keeps, and makes partitions ahead. */
const UPKEEP_INTERVAL_MS = 60_000;
/** What the time index does not cover yet is read by every query: at 100,000 records/s a million rows. */
const SUMMARY_INTERVAL_MS = 10_000;
/** The highest batch of a boot is remembered this long after it, in case the agent merely had nothing to send. */
const LAST_BATCH_KEPT_MS = 90 * 86_400_000;

/**
 * Keeps the partitions of the record tables: made before they are needed, dropped when retention is over. A record of an hour that has
 * no partition (an agent was away for long, or its clock is off) gets one on demand.
 */
@Injectable()
export class PartitionService implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly logger = new Logger(PartitionService.name);
  /** By table, the hours whose partition is there, and those that were written to since the last summary. */
  private readonly known = hoursByTable();
  private readonly written = hoursByTable();
  private readonly madeOnDemand: Counter;
  private readonly metrics: RecordStorageMetrics;
  /** What the limit of size has left: no record of an earlier hour is kept. */
  private floorHour = Number.NEGATIVE_INFINITY;
  private isOverLimit = false;
  private readonly timers: NodeJS.Timeout[] = [];
  private running: Promise<void> = Promise.resolve();

  constructor(
    private readonly store: PartitionStore,
    private readonly configuration: Configuration,
    registry: MetricsRegistry,
  ) {
    this.metrics = new RecordStorageMetrics(registry, configuration.recordStorageBytes);
    this.madeOnDemand = new Counter({
      name: 'synscope_record_partitions_on_demand_total',
      help: 'Partitions that were made because records of an hour came for which none was there.',
      registers: [registry],
    });
  }

  async onApplicationBootstrap(): Promise<void> {
    // The start waits for what ingest needs; dropping what is old may have to wait for readers.
    await this.makeAhead(Date.now());
    this.inTurn(() => this.maintain(Date.now()));
    this.every(UPKEEP_INTERVAL_MS, () => this.maintain(Date.now()));
    this.every(SUMMARY_INTERVAL_MS, () => this.summarize());
  }

  async onModuleDestroy(): Promise<void> {
    for (const timer of this.timers) clearInterval(timer);
    await this.running;
  }

  /** Before this moment (microseconds since the Unix epoch) no record is kept. */
  earliestUs(nowMs: number): number {
    return Math.max(this.endOfAgeMs(nowMs), this.floorHour * HOUR_MS) * 1_000;
  }

  /** Resolves once every one of these hours has its partition in a table. Hours count from the Unix epoch. */
  async ensure(table: PartitionedTable, hours: Iterable<number>): Promise<void> {
    const missing: number[] = [];
    for (const hour of hours) {
      this.written[table].add(hour);
      if (!this.known[table].has(hour)) missing.push(hour);
    }
    if (missing.length === 0) return;
    this.madeOnDemand.inc(await this.create(table, missing));
  }

  /** To be called when a write found a partition gone that was thought to be there. */
  forget(): void {
    for (const table of PARTITIONED_TABLES) this.known[table].clear();
  }

  /** Makes partitions ahead, drops those that are too old or too much, and trims the ledger with age. */
  async maintain(nowMs: number): Promise<void> {
    await this.makeAhead(nowMs);
    const sizes = await this.store.sizes();
    await this.findFloor(sizes, hourAt(nowMs));
    // One hour more than promised: what was let in a moment before the end must still find its partition.
    const endOfAge = hourAt(this.endOfAgeMs(nowMs)) - 1;
    const earliest = Math.max(endOfAge, this.floorHour);
    for (const table of PARTITIONED_TABLES) {
      for (const hour of this.known[table]) if (hour < earliest) this.known[table].delete(hour);
      for (const name of (await this.store.dropBefore(table, earliest)) ?? []) {
        const hour = hourOfPartition(table, name) ?? endOfAge;
        const reason = hour < endOfAge ? 'age' : 'size';
        const bytes = sizes.find((size) => size.name === name)?.bytes ?? 0;
        this.metrics.dropped({ table, bytes }, reason);
        this.logger.log(`dropped ${name} (${bytes} bytes) for its ${reason}`);
      }
    }
    this.metrics.measured(sizes.filter(({ hour }) => hour >= earliest));
    await this.store.deleteLedgerBefore(
      new Date(this.endOfAgeMs(nowMs)).toISOString(),
      new Date(nowMs - LAST_BATCH_KEPT_MS).toISOString(),
    );
  }

  async summarize(): Promise<void> {
    for (const table of PARTITIONED_TABLES) {
      const hours = [...this.written[table]];
      this.written[table].clear();
      if (hours.length > 0) await this.store.summarize(table, hours);
    }
  }

  private endOfAgeMs(nowMs: number): number {
    return nowMs - this.configuration.recordRetentionSeconds * 1_000;
  }

  /** Before anything is dropped, so that no replica takes in what is about to go. */
  private async findFloor(sizes: readonly PartitionSize[], presentHour: number): Promise<void> {
    const limitBytes = this.configuration.recordStorageBytes;
    if (limitBytes > 0) {
      const first = firstHourWithin(sizes, limitBytes, presentHour);
      if (first !== null) await this.store.raiseFloor(first);
      this.warnOfPresentHours(sizes, limitBytes, presentHour);
    }
    this.floorHour = Math.min((await this.store.floor()) ?? Number.NEGATIVE_INFINITY, presentHour);
  }

  private warnOfPresentHours(sizes: readonly PartitionSize[], limitBytes: number, presentHour: number): void {
    const left = sizes.reduce((sum, { hour, bytes }) => sum + (hour >= presentHour ? bytes : 0), 0);
    const wasOverLimit = this.isOverLimit;
    this.isOverLimit = left > limitBytes;
    if (!this.isOverLimit || wasOverLimit) return;
    this.logger.warn(
      `the records of the present hour alone take ${left} bytes, more than SYNSCOPE_RECORD_STORAGE_BYTES=${limitBytes}; they are kept. Trace less, or allow for more`,
    );
  }

  private async makeAhead(nowMs: number): Promise<void> {
    const present = hourAt(nowMs);
    const hours = Array.from({ length: HOURS_AHEAD + 1 }, (_, ahead) => present + ahead);
    for (const table of PARTITIONED_TABLES) await this.create(table, hours);
  }

  private async create(table: PartitionedTable, hours: readonly number[]): Promise<number> {
    const made = await this.store.create(table, hours);
    for (const hour of hours) this.known[table].add(hour);
    return made;
  }

  private every(milliseconds: number, work: () => Promise<void>): void {
    this.timers.push(setInterval(() => this.inTurn(work), milliseconds).unref());
  }

  /** One run at a time; a run that fails is logged and tried again at the next turn. */
  private inTurn(work: () => Promise<void>): void {
    this.running = this.running.then(work).catch((error: unknown) => {
      const text = error instanceof Error ? error.message : String(error);
      // Said once by whoever serves requests; every minute here would only drown it.
      if (isDatabaseUnavailable(error)) this.logger.debug(`upkeep of partitions has to wait: ${text}`);
      else this.logger.warn(`upkeep of partitions failed, and is tried again: ${text}`);
    });
  }
}

function hoursByTable(): Readonly<Record<PartitionedTable, Set<number>>> {
  return {
    handshake: new Set(),
    dns_query: new Set(),
    name_lookup: new Set(),
    receive_queue_drop: new Set(),
    listener_sample: new Set(),
    handshake_pair: new Set(),
  };
}
