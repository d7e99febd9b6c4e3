import { Injectable } from '@nestjs/common';
import type { PoolClient } from 'pg';
import { DatabasePool } from '../database/database-pool.js';
import { PartitionService } from '../record-storage/partition.service.js';
import type { Snapshot } from '../stored-batches/snapshot.js';
import { HandshakeJoinMetrics } from './handshake-join.metrics.js';
import {
  CLOCK_ERROR_US,
  HandshakePairStore,
  LONG_ACCEPT_WAIT_US,
  type PairScope,
} from './handshake-pair.store.js';
import { type Arrival, type ArrivalPage, type JoinPass, JoinProgressStore } from './join-progress.store.js';
import { choosePairs } from './pair-choice.js';
import { cut, hoursOf, mergeSpans, type TimeSpan, widen } from './time-spans.js';

/** A page in one statement each: large enough that what is read around it counts little when there is a backlog. */
const PAGE_SIZE = { records: 2_000_000, batches: 100_000 };

/**
 * Both ends of a handshake arrive within this time if their agents are connected, microseconds: a server's record waits up to 60 s for
 * accept(), and is then sent.
 */
const ARRIVAL_WINDOW_US = 75_000_000;
/** What arrives together was observed within this time, but for the few records that waited for accept(). Microseconds. */
const USUAL_LENGTH_US = 2 * LONG_ACCEPT_WAIT_US;
/** Beyond these, what arrived was observed by a clock that is off, or it is late. No more than {@link CLOCK_ERROR_US} apart. */
const BEHIND_US = 1_500_000;
const AHEAD_US = 500_000;
/** A handshake whose server goes on sending its SYN-ACK lasts up to 63 s. */
const LONGEST_HANDSHAKE_US = 70_000_000;
/** Statements read this much at most: an hour that comes late takes many. */
const PIECE_US = 150_000_000;

export interface JoinRun extends FoundPairs {
  /** Records of the batches that were looked at. */
  readonly records: number;
  readonly more: boolean;
}

interface FoundPairs {
  readonly exact: number;
  readonly probable: number;
}

/**
 * One step of the search, in one transaction: what was committed to the ledger since the last one, the pairs that it makes, and how far that
 * is. So each batch is looked at once however many replicas there are, and again if one dies in the middle.
 */
@Injectable()
export class HandshakeJoin {
  constructor(
    private readonly pool: DatabasePool,
    private readonly progress: JoinProgressStore,
    private readonly pairs: HandshakePairStore,
    private readonly partitions: PartitionService,
    private readonly metrics: HandshakeJoinMetrics,
  ) {}

  /** Null if there is nothing to do, or another replica is at it. */
  async next(pass: JoinPass): Promise<JoinRun | null> {
    if (!(await this.progress.hasWork(pass))) return null;
    const client = await this.pool.connect();
    let failure: Error | undefined;
    try {
      await begin(client);
      const seen = await this.progress.lock(client, pass);
      const run = seen && (await this.lookAt(client, pass, seen));
      await client.query('COMMIT');
      if (run) this.count(pass, run);
      return run;
    } catch (error) {
      failure = error instanceof Error ? error : new Error(String(error));
      // A partition may be gone that was thought to be there.
      this.partitions.forget();
      throw error;
    } finally {
      // A client that may still be within a transaction must not go back into the pool.
      client.release(failure);
    }
  }

  private async lookAt(client: PoolClient, pass: JoinPass, seen: Snapshot): Promise<JoinRun> {
    const page = await this.progress.page(client, seen, PAGE_SIZE);
    const scopes =
      pass === 'observed' ? await this.observedAround(client, page) : await this.arrivedWith(client, page);
    const found: FoundPairs[] = [];
    for (const scope of scopes) found.push(await this.join(client, scope));
    await this.progress.advance(client, pass, page.end);
    return {
      records: page.arrivals.reduce((sum, { rows }) => sum + rows, 0),
      exact: found.reduce((sum, { exact }) => sum + exact, 0),
      probable: found.reduce((sum, { probable }) => sum + probable, 0),
      more: page.more,
    };
  }

  /** What was observed when the page was, by clocks that agree. */
  private async observedAround(client: PoolClient, { arrivals }: ArrivalPage): Promise<PairScope[]> {
    const around = mergeSpans(arrivals.map((arrival) => widen(usualPart(arrival), CLOCK_ERROR_US)));
    const late = arrivals
      .filter(isOff)
      .map(({ sinceUs, untilUs }) => ({ sinceUs, untilUs: untilUs + LONGEST_HANDSHAKE_US }));
    const long = await this.pairs.longHandshakes(
      client,
      this.kept(mergeSpans([...around, ...late])),
      CLOCK_ERROR_US - 1_000_000,
    );
    const spans = this.kept(mergeSpans([...around, ...long.map((span) => widen(span, CLOCK_ERROR_US))]));
    return spans
      .flatMap((span) => cut(span, PIECE_US, LONGEST_HANDSHAKE_US + CLOCK_ERROR_US))
      .map((span) => ({ spans: [span], ofAgents: null, sought: 'any' }));
  }

  /** What arrived when the page did, if anything did that was observed by a clock that is off, or long before. */
  private async arrivedWith(client: PoolClient, { arrivals }: ArrivalPage): Promise<PairScope[]> {
    const received = arrivals.map(({ receivedUs }) => receivedUs);
    if (received.length === 0) return [];
    const arrivedThen = await this.progress.received(client, {
      sinceUs: received.reduce((first, time) => Math.min(first, time)) - ARRIVAL_WINDOW_US,
      untilUs: received.reduce((last, time) => Math.max(last, time)) + 1,
    });
    // Longer ones are what an agent had kept: their other ends arrived at some other time.
    const off = arrivedThen.filter(
      (arrival) => isOff(arrival) && arrival.untilUs - arrival.sinceUs <= ARRIVAL_WINDOW_US,
    );
    const isLong = (arrival: Arrival) => !isOff(arrival) && usualPart(arrival) !== arrival;
    if (off.length === 0 && !arrivedThen.some(isLong)) return [];
    const others = arrivedThen.filter((arrival) => !isOff(arrival));
    return [
      {
        spans: this.kept(mergeSpans(others)),
        ofAgents: {
          agentIds: [...new Set(off.map(({ agentId }) => agentId))],
          spans: this.kept(mergeSpans(off)),
        },
        sought: 'not observed when it arrived',
      },
    ];
  }

  private async join(client: PoolClient, scope: PairScope): Promise<FoundPairs> {
    await this.partitions.ensure(
      'handshake_pair',
      hoursOf([...scope.spans, ...(scope.ofAgents?.spans ?? [])]),
    );
    const { exact, probable, several } = await this.pairs.join(client, scope);
    if (several === 0) return { exact, probable };
    const chosen = (await this.pairs.candidates(client, scope)).flatMap(choosePairs);
    if (chosen.length > 0) await this.pairs.insert(client, chosen);
    const chosenExact = chosen.filter((pair) => pair.exact).length;
    return { exact: exact + chosenExact, probable: probable + chosen.length - chosenExact };
  }

  private count(pass: JoinPass, { records, exact, probable }: JoinRun): void {
    this.metrics.records.inc({ pass }, records);
    this.metrics.pairs.inc({ match: 'exact' }, exact);
    this.metrics.pairs.inc({ match: 'probable' }, probable);
  }

  /** Without what retention is about to drop. */
  private kept(spans: readonly TimeSpan[]): TimeSpan[] {
    const earliestUs = this.partitions.earliestUs(Date.now());
    return spans
      .filter(({ untilUs }) => untilUs > earliestUs)
      .map(({ sinceUs, untilUs }) => ({ sinceUs: Math.max(sinceUs, earliestUs), untilUs }));
  }
}

/** Without the records that waited long for accept() and were then sent among new ones: one of them would have a minute read at each look. */
function usualPart(arrival: Arrival): TimeSpan {
  const sinceUs = arrival.untilUs - USUAL_LENGTH_US;
  const isKept = arrival.receivedUs - arrival.untilUs > ARRIVAL_WINDOW_US;
  return isKept || arrival.sinceUs >= sinceUs ? arrival : { sinceUs, untilUs: arrival.untilUs };
}

function isOff({ receivedUs, untilUs }: Arrival): boolean {
  const behindUs = receivedUs - untilUs;
  return behindUs > BEHIND_US || behindUs < -AHEAD_US;
}

async function begin(client: PoolClient): Promise<void> {
  await client.query('BEGIN');
  // A host that lost power must not hold the row for long. Nothing is known of a young partition's rows before the first ANALYZE, and the
  // planner would rather read all of it than trust the index on time: the cost would grow with the hour.
  await client.query(
    `SET LOCAL jit = off; SET LOCAL enable_seqscan = off; SET LOCAL work_mem = '64MB'; SET LOCAL statement_timeout = '5min';
     SET LOCAL idle_in_transaction_session_timeout = '10s'`,
  );
}
