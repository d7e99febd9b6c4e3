import { Injectable, Logger, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { Counter } from 'prom-client';
import { Configuration } from '../config/configuration.js';
import { isDatabaseUnavailable } from '../database/database-unavailable.js';
import { MetricsRegistry } from '../metrics/metrics-registry.js';
import { PartitionStore } from './partition.store.js';
import { hourAt } from './partition-name.js';
import { PARTITIONED_TABLES, type PartitionedTable } from './record-table.js';

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
  private readonly timers: NodeJS.Timeout[] = [];
  private running: Promise<void> = Promise.resolve();

  constructor(
    private readonly store: PartitionStore,
    private readonly configuration: Configuration,
    registry: MetricsRegistry,
  ) {
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
    return (nowMs - this.configuration.recordRetentionSeconds * 1_000) * 1_000;
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

  /** Makes partitions ahead, drops those that retention no longer keeps, and trims the ledger with them. */
  async maintain(nowMs: number): Promise<void> {
    await this.makeAhead(nowMs);
    // One hour more than promised: what was let in a moment before the end must still find its partition.
    const earliest = hourAt(this.earliestUs(nowMs) / 1_000) - 1;
    for (const table of PARTITIONED_TABLES) {
      for (const hour of this.known[table]) if (hour < earliest) this.known[table].delete(hour);
      const dropped = await this.store.dropBefore(table, earliest);
      if (dropped && dropped.length > 0)
        this.logger.log(`retention is over for ${dropped.join(', ')}: dropped`);
    }
    await this.store.deleteLedgerBefore(
      new Date(this.earliestUs(nowMs) / 1_000).toISOString(),
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
