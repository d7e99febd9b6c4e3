import { Injectable } from '@nestjs/common';
import { formatMicroseconds, type HandshakeFilter, type Loss, resolveTime } from '@synscope/api-contract';
import { Configuration } from '../config/configuration.js';
import { resolveWindow, type TimeWindow } from '../lists/time-window.js';
import { WindowLossStore } from '../record-storage/window-loss.store.js';
import { HandshakeStore } from './handshake.store.js';
import type { HandshakeScope } from './handshake-conditions.js';

const DEFAULT_LENGTH_SECONDS = 3_600;
/** Ingest takes records of hosts whose clock is this far ahead of ours: they are the newest. */
const CLOCK_AHEAD_MS = 5 * 60_000;

/** What a query's filters mean: the default window, the agents of a hostname, the loss that belongs to the answer. */
@Injectable()
export class HandshakeScopeService {
  constructor(
    private readonly store: HandshakeStore,
    private readonly loss: WindowLossStore,
    private readonly configuration: Configuration,
  ) {}

  /** An hour, up to now or `until`, if `since` is left out; with a session, everything that is kept. */
  withDefaultSince<T extends HandshakeFilter>(query: T): T & { since: string } {
    if (query.since !== undefined) return { ...query, since: query.since };
    const seconds = query.sessionId ? this.configuration.recordRetentionSeconds : DEFAULT_LENGTH_SECONDS;
    return { ...query, since: earlierBy(seconds, query.until) };
  }

  async resolve(query: HandshakeFilter, nowMs: number): Promise<HandshakeScope> {
    return this.within(query, resolveWindow(this.withDefaultSince(query), nowMs), nowMs);
  }

  async within(filter: HandshakeFilter, window: TimeWindow, nowMs: number): Promise<HandshakeScope> {
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

  async lossOf({ agentIds, since, until }: HandshakeScope): Promise<Loss> {
    return this.loss.touching({ since, until, ...(agentIds && { agentIds }) });
  }

  private async agentIds({ agentId, hostname }: HandshakeFilter): Promise<readonly string[] | null> {
    if (hostname === undefined) return agentId ?? null;
    const ofHost = await this.store.agentIdsOf(hostname);
    return agentId ? ofHost.filter((id) => agentId.includes(id)) : ofHost;
  }
}

/** A time expression for this long before another one, which is now if left out. Made without the clock, so that cursors go on fitting. */
function earlierBy(seconds: number, until: string | undefined): string {
  const absolute = until === undefined ? null : resolveTime(until, 0);
  if (absolute !== null && absolute > 0n) return formatMicroseconds(absolute - BigInt(seconds) * 1_000_000n);
  // Relative to the time 0, a length of time before now is a negative time.
  const ago = absolute === null ? 0 : Number(-absolute / 1_000_000n);
  return `${ago + seconds}s`;
}
