import { Injectable } from '@nestjs/common';
import { formatMicroseconds, type Loss, type RecordFilter, resolveTime } from '@synscope/api-contract';
import type { Probe } from '@synscope/protocol';
import { Configuration } from '../config/configuration.js';
import { resolveWindow, type TimeWindow } from '../lists/time-window.js';
import { WindowLossStore } from '../record-storage/window-loss.store.js';
import { windowTooLong } from './record-query.errors.js';
import type { LatencyFilter, RecordScope } from './record-scope.js';
import { RecordScopeStore } from './record-scope.store.js';

const DEFAULT_LENGTH_SECONDS = 3_600;
const LONGEST_WINDOW_DAYS = 31;
const MICROSECONDS_PER_DAY = 86_400_000_000;
/** Records of hosts whose clock is this far ahead of ours are the newest. Those of one farther ahead are found by naming `until`, or later. */
const CLOCK_AHEAD_MS = 5 * 60_000;

/** What a query's filters mean: the default window, the agents of a hostname, the loss that belongs to the answer. */
@Injectable()
export class RecordScopeService {
  constructor(
    private readonly store: RecordScopeStore,
    private readonly loss: WindowLossStore,
    private readonly configuration: Configuration,
  ) {}

  /** An hour, up to now or `until`, if `since` is left out; with a session, everything that is kept. */
  withDefaultSince<T extends RecordFilter>(query: T): T & { since: string } {
    if (query.since !== undefined) return { ...query, since: query.since };
    const seconds = query.sessionId ? this.configuration.recordRetentionSeconds : DEFAULT_LENGTH_SECONDS;
    return { ...query, since: earlierBy(seconds, query.until) };
  }

  /** For what reads every record of the window: refuses one that would take forever. */
  async resolveBounded<F extends LatencyFilter>(query: F, nowMs: number): Promise<RecordScope<F>> {
    const scope = await this.within(query, resolveWindow(this.withDefaultSince(query), nowMs), nowMs);
    // A little more than the days themselves: the window reaches into the future by what clocks may be ahead.
    if (lengthUs(scope) > (LONGEST_WINDOW_DAYS + 1) * MICROSECONDS_PER_DAY)
      throw windowTooLong(LONGEST_WINDOW_DAYS);
    return scope;
  }

  async within<F extends LatencyFilter>(
    filter: F,
    window: TimeWindow,
    nowMs: number,
  ): Promise<RecordScope<F>> {
    const since = window.since ?? formatMicroseconds(0n);
    const until = window.until ?? formatMicroseconds(BigInt(nowMs + CLOCK_AHEAD_MS) * 1_000n);
    const session = filter.sessionId ? await this.store.lifeOfSession(filter.sessionId) : null;
    return {
      filter,
      agentIds: await this.agentIds(filter),
      // Texts of one length, so that their order is that of time.
      since: session && session.from > since ? session.from : since,
      until: session && session.until < until ? session.until : until,
    };
  }

  /** What was lost of one probe's records, and batches that could have held some. */
  async lossOf({ agentIds, since, until }: RecordScope<LatencyFilter>, probe: Probe): Promise<Loss> {
    return this.loss.touching({ since, until, probe, ...(agentIds && { agentIds }) });
  }

  private async agentIds({ agentId, hostname }: RecordFilter): Promise<readonly string[] | null> {
    if (hostname === undefined) return agentId ?? null;
    const ofHost = await this.store.agentIdsOf(hostname);
    return agentId ? ofHost.filter((id) => agentId.includes(id)) : ofHost;
  }
}

/** How long a scope is, in microseconds. */
export function lengthUs({ since, until }: { readonly since: string; readonly until: string }): number {
  return Number((resolveTime(until, 0) ?? 0n) - (resolveTime(since, 0) ?? 0n));
}

/** A time expression for this long before another one, which is now if left out. Made without the clock, so that cursors go on fitting. */
function earlierBy(seconds: number, until: string | undefined): string {
  const absolute = until === undefined ? null : resolveTime(until, 0);
  if (absolute !== null && absolute > 0n) return formatMicroseconds(absolute - BigInt(seconds) * 1_000_000n);
  // Relative to the time 0, a length of time before now is a negative time.
  const ago = absolute === null ? 0 : Number(-absolute / 1_000_000n);
  return `${ago + seconds}s`;
}
