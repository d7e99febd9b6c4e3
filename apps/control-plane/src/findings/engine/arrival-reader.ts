import { Injectable } from '@nestjs/common';
import type { Snapshot } from '../../stored-batches/snapshot.js';
import { ArrivalStore } from '../evidence/arrival.store.js';
import { CoverageStore } from '../evidence/coverage.store.js';
import type { Arrivals } from '../evidence/evidence-reader.js';
import { Memory } from '../evidence/memory.js';
import { FindingMetrics } from './finding.metrics.js';

/** Pages that are read in a round. */
const PAGES_PER_ROUND = 5;
/** Records that may wait: with more, judging begins anew with what comes now, for a finding of long ago helps nobody. */
const MOST_WAITING = 2_000_000;
/** What a replica that takes over looks back at. Seconds. */
const LOOK_BACK_SECONDS = 120;

/** One page of arrivals. */
export interface Round {
  readonly arrivals: Arrivals;
  /** Everything before is judged once this is. */
  readonly end: Snapshot;
  /** When it was read, by the database's clock. Milliseconds. */
  readonly readMs: number;
}

/** Reads what arrived into memory, and hands it out for judging when it is due. */
@Injectable()
export class ArrivalReader {
  memory = new Memory();
  private waiting: Round[] = [];
  /** What has been read; null if nothing is known yet. */
  private readTo: Snapshot | null = null;

  constructor(
    private readonly store: ArrivalStore,
    private readonly coverage: CoverageStore,
    private readonly metrics: FindingMetrics,
  ) {}

  now(): Promise<Snapshot> {
    return this.store.snapshot();
  }

  /** Begins anew, with what is judged according to the database. */
  forget(): void {
    this.memory = new Memory();
    this.waiting = [];
    this.readTo = null;
  }

  /** Reads on. Whether there is more. */
  async read(judged: Snapshot, nowMs: number): Promise<boolean> {
    if (this.readTo === null) await this.lookBack(judged);
    const nowUs = nowMs * 1_000;
    let from = this.readTo ?? judged;
    const to = await this.store.snapshot();
    for (let pages = 0; pages < PAGES_PER_ROUND; pages++) {
      const page = await this.store.page(from, to);
      if (page.batches.length === 0) return false;
      if (pages === 0)
        this.memory.coverage.seen(nowUs, await this.coverage.running(), await this.coverage.losers(nowUs));
      const arrivals = await this.store.read(page.batches);
      this.memory.add(arrivals);
      this.memory.prune(nowUs);
      this.count(arrivals);
      this.waiting.push({ arrivals, end: page.end, readMs: nowMs });
      from = page.end;
      this.readTo = from;
      if (!page.more) return false;
    }
    await this.skipIfTooFarBehind(from, to, nowMs);
    return true;
  }

  /** The oldest page that was read by then. */
  due(readBeforeMs: number): Round | null {
    const round = this.waiting[0];
    return round && round.readMs <= readBeforeMs ? round : null;
  }

  done(round: Round): void {
    this.waiting = this.waiting.filter((other) => other !== round);
  }

  /** What is known beside records that arrive right after: another replica has judged it. */
  private async lookBack(judged: Snapshot): Promise<void> {
    const batches = await this.store.recent(judged, LOOK_BACK_SECONDS);
    if (batches.length > 0) this.memory.add(await this.store.read(batches));
    this.readTo = judged;
  }

  private async skipIfTooFarBehind(from: Snapshot, to: Snapshot, nowMs: number): Promise<void> {
    const records = await this.store.waiting(from, to);
    if (records <= MOST_WAITING) return;
    this.metrics.skipped.inc(records);
    this.readTo = to;
    this.waiting.push({ arrivals: NOTHING, end: to, readMs: nowMs });
  }

  private count({ handshakes, samples, drops, queries }: Arrivals): void {
    this.metrics.judged.inc({ kind: 'handshake' }, handshakes.length);
    this.metrics.judged.inc({ kind: 'listener_sample' }, samples.length);
    this.metrics.judged.inc({ kind: 'receive_queue_drop' }, drops.length);
    this.metrics.judged.inc({ kind: 'dns_query' }, queries.length);
  }
}

const NOTHING: Arrivals = {
  handshakes: [],
  activities: [],
  samples: [],
  drops: [],
  queries: [],
  questions: [],
};
