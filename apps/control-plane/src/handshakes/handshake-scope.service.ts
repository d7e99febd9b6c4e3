import { Injectable } from '@nestjs/common';
import { formatMicroseconds, type HandshakeFilter, type Loss } from '@synscope/api-contract';
import { Configuration } from '../config/configuration.js';
import { resolveWindow, type TimeWindow } from '../lists/time-window.js';
import { WindowLossStore } from '../record-storage/window-loss.store.js';
import { HandshakeStore } from './handshake.store.js';
import type { HandshakeScope } from './handshake-conditions.js';

const DEFAULT_SINCE = '1h';
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

  /** The last hour if `since` is left out; with a session, everything that is kept. */
  withDefaultSince<T extends HandshakeFilter>(query: T): T & { since: string } {
    const since = query.sessionId ? `${this.configuration.recordRetentionSeconds}s` : DEFAULT_SINCE;
    return { ...query, since: query.since ?? since };
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
