import { type BeforeApplicationShutdown, Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import type { TraceSession } from '@synscope/api-contract';
import { ChangeFeed } from '../change-feed/change-feed.js';
import { Configuration } from '../config/configuration.js';
import { isDatabaseUnavailable } from '../database/database-unavailable.js';
import type { Snapshot } from '../stored-batches/snapshot.js';
import { SessionControl } from '../trace-sessions/session-control.js';
import { eventStreamsTaken, shuttingDown } from './session-event.errors.js';
import { StoredBatchStore } from './stored-batch.store.js';

/** How late a record is seen at most, besides what reading takes. One look takes Postgres 1–2 ms with 20 sessions of 1,000 agents each. Milliseconds. */
const LOOK_INTERVAL_MS = 250;
/** How late the progress of a session is seen when another replica was told of it; this one's changes are announced. Milliseconds. */
const SESSION_INTERVAL_MS = 1_000;
/** How often each reader is looked at: whether it may still read, and does. Milliseconds. */
const READER_INTERVAL_MS = 15_000;

export interface Look {
  readonly snapshot: Snapshot;
  /** Whether batches of the session's agents were committed since the look before. */
  readonly stored: boolean;
  /** As it was before the snapshot; null if it was not read this time. */
  readonly session: TraceSession | null;
}

export interface SessionWatcher {
  readonly sessionId: string;
  looked(look: Look): void;
  /** Ends itself if its reader may not read any more, or does not. */
  checkReader(): Promise<void>;
  /** The control plane shuts down. */
  close(): void;
}

/**
 * Looks into the database for everybody who watches a session at this replica, and not at all when nobody does. It asks, in place of being
 * told by ingest: a NOTIFY per commit would cost every transaction that stores records a lock of the whole database, and could get lost.
 */
@Injectable()
export class SessionWatch implements OnModuleInit, BeforeApplicationShutdown {
  private readonly logger = new Logger('SessionWatch');
  private readonly watchers = new Set<SessionWatcher>();
  private previous: Snapshot | null = null;
  private timer: NodeJS.Timeout | undefined;
  private readerTimer: NodeJS.Timeout | undefined;
  private looking: Promise<void> | null = null;
  private lookAgain = false;
  private sessionsReadAtMs = 0;
  private stopped = false;

  constructor(
    private readonly store: StoredBatchStore,
    private readonly sessions: SessionControl,
    private readonly changes: ChangeFeed,
    private readonly configuration: Configuration,
  ) {}

  onModuleInit(): void {
    this.changes.subscribe({
      changed: ({ kind, id }) => kind === 'session' && this.isWatched(id) && this.lookNow(),
      resync: () => this.lookNow(),
    });
  }

  beforeApplicationShutdown(): void {
    this.stopped = true;
    for (const watcher of [...this.watchers]) watcher.close();
    this.rest();
  }

  /** How many watch. */
  get size(): number {
    return this.watchers.size;
  }

  /** The first look follows at once. Returns how to end it. Throws if there is no room for another watcher. */
  add(watcher: SessionWatcher): () => void {
    if (this.stopped) throw shuttingDown();
    if (this.watchers.size >= this.configuration.eventStreams)
      throw eventStreamsTaken(this.configuration.eventStreams);
    this.watchers.add(watcher);
    this.readerTimer ??= setInterval(() => void this.checkReaders(), READER_INTERVAL_MS).unref();
    this.lookNow();
    return () => {
      this.watchers.delete(watcher);
      if (this.watchers.size === 0) this.rest();
    };
  }

  async checkReaders(): Promise<void> {
    for (const watcher of [...this.watchers]) await watcher.checkReader();
  }

  /** With the sessions themselves. */
  private lookNow(): void {
    this.sessionsReadAtMs = 0;
    if (this.looking) this.lookAgain = true;
    else this.look();
  }

  private look(): void {
    clearTimeout(this.timer);
    if (this.stopped || this.watchers.size === 0) return;
    this.lookAgain = false;
    this.looking = this.lookFor([...this.watchers]).finally(() => {
      this.looking = null;
      if (this.lookAgain) this.look();
      else if (!this.stopped && this.watchers.size > 0)
        this.timer = setTimeout(() => this.look(), LOOK_INTERVAL_MS).unref();
    });
  }

  /** Who comes meanwhile has to wait for the next look: this one began before. */
  private async lookFor(watchers: readonly SessionWatcher[]): Promise<void> {
    try {
      const ids = [...new Set(watchers.map(({ sessionId }) => sessionId))];
      const sessions = await this.readSessions(ids);
      const snapshot = await this.store.snapshot();
      const stored = this.previous && (await this.store.sessionsWithBatches(this.previous, snapshot, ids));
      this.previous = snapshot;
      for (const watcher of watchers) {
        watcher.looked({
          snapshot,
          stored: stored?.includes(watcher.sessionId) ?? true,
          session: sessions.get(watcher.sessionId) ?? null,
        });
      }
    } catch (error) {
      if (isDatabaseUnavailable(error)) this.logger.debug(`no look at what was stored: ${String(error)}`);
      else this.logger.error(error, 'unexpected error while looking at what was stored');
    }
  }

  private async readSessions(ids: readonly string[]): Promise<ReadonlyMap<string, TraceSession>> {
    const nowMs = Date.now();
    if (Math.abs(nowMs - this.sessionsReadAtMs) < SESSION_INTERVAL_MS) return new Map();
    this.sessionsReadAtMs = nowMs;
    return this.sessions.find(ids);
  }

  private isWatched(sessionId: string): boolean {
    for (const watcher of this.watchers) if (watcher.sessionId === sessionId) return true;
    return false;
  }

  private rest(): void {
    clearTimeout(this.timer);
    clearInterval(this.readerTimer);
    this.readerTimer = undefined;
    this.previous = null;
  }
}
