import { EventEmitter } from 'node:events';
import { Injectable, Logger, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import { ChangeFeed } from '../change-feed/change-feed.js';
import { isDatabaseUnavailable } from '../database/database-unavailable.js';
import { isLockConflict } from '../database/lock-conflict.js';
import { nextState } from './next-state.js';
import { SessionEnd } from './session-end.js';
import { type OpenSessionTally, SessionProgressStore } from './session-progress.store.js';
import { SessionTargetStore } from './session-target.store.js';

/** The longest time between two looks at all open sessions, milliseconds. */
const SWEEP_INTERVAL_MS = 5_000;

/** Sessions per transaction. */
const BATCH = 50;

/**
 * Moves sessions through their states: soon after a target changed (`touch`), when a session's time is over, and by a sweep that repairs
 * what got lost. Emits the id of every session that was looked at, for those who wait for it.
 */
@Injectable()
export class SessionProgress implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly logger = new Logger('SessionProgress');
  private readonly looked = new EventEmitter<{ session: [string] }>().setMaxListeners(0);
  private readonly touched = new Set<string>();
  private working: Promise<void> | null = null;
  private timer: NodeJS.Timeout | undefined;
  private nextSweepAtMs = 0;
  /** The last look could not be taken; what was touched waits for the sweep. */
  private failing = false;
  private stopped = false;

  constructor(
    private readonly database: DataSource,
    private readonly store: SessionProgressStore,
    private readonly targets: SessionTargetStore,
    private readonly ended: SessionEnd,
    private readonly changes: ChangeFeed,
  ) {}

  onApplicationBootstrap(): void {
    this.changes.subscribe({
      changed: ({ kind, id }) => kind === 'session' && this.touch([id]),
      resync: () => this.schedule(0),
    });
    this.schedule(0);
  }

  async onModuleDestroy(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.timer);
    await this.working;
  }

  /** Looks at these sessions soon. Many touches in a row cost one look. */
  touch(sessionIds: Iterable<string>): void {
    for (const id of sessionIds) this.touched.add(id);
    if (this.touched.size === 0 || this.working !== null || this.stopped) return;
    this.working = this.work().finally(() => {
      this.working = null;
      // Touched just as the last round ended.
      if (this.touched.size > 0 && !this.failing) this.touch([]);
    });
  }

  /** A session's time will be over in so many milliseconds: look then, and not only at the next sweep. */
  expectEnd(inMs: number): void {
    if (Date.now() + inMs < this.nextSweepAtMs) this.schedule(inMs + 1);
  }

  /** Calls back whenever this session may have changed; returns how to unsubscribe. */
  onLook(sessionId: string, callback: () => void): () => void {
    const listener = (id: string) => id === sessionId && callback();
    this.looked.on('session', listener);
    return () => this.looked.off('session', listener);
  }

  private async work(): Promise<void> {
    // Lets the touches of the same moment come together.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.touched.size > 0 && !this.stopped) {
      const ids = [...this.touched].slice(0, BATCH);
      for (const id of ids) this.touched.delete(id);
      try {
        await this.advance(ids);
        this.failing = false;
      } catch (error) {
        this.report(error);
        for (const id of ids) this.touched.add(id);
        this.failing = true;
        return;
      }
      for (const id of ids) this.looked.emit('session', id);
    }
  }

  private async advance(ids: readonly string[]): Promise<void> {
    await this.database.transaction(async (manager) => {
      const moved: string[] = [];
      for (const open of await this.store.lockOpen(manager, ids)) {
        if (await this.move(manager, open)) moved.push(open.id);
      }
      await this.changes.announce(
        manager,
        moved.map((id) => ({ kind: 'session', id })),
      );
    });
  }

  /** Whether anything about the session or its targets has changed. */
  private async move(manager: EntityManager, { id, session, tally }: OpenSessionTally): Promise<boolean> {
    const next = nextState(session, tally);
    if (next === 'completed' || next === 'failed') {
      await this.store.end(manager, id, next);
      await this.targets.release(manager, id);
      await this.ended.publish(manager, id);
      return true;
    }
    if (next !== session.state) await this.store.begin(manager, id);
    const calledBack = session.overdueMs >= 0 && (await this.targets.callBack(manager, id));
    return next !== session.state || calledBack;
  }

  private schedule(delayMs: number): void {
    clearTimeout(this.timer);
    if (this.stopped) return;
    this.nextSweepAtMs = Date.now() + delayMs;
    this.timer = setTimeout(() => void this.sweep(), delayMs).unref();
  }

  private async sweep(): Promise<void> {
    let delayMs = SWEEP_INTERVAL_MS;
    try {
      await this.store.endAbandonedTargets();
      this.failing = false;
      this.touch(await this.store.openSessionIds());
      await this.working;
      const dueMs = await this.store.nextDueMs();
      // A millisecond more: timers may fire a little early.
      if (dueMs !== null) delayMs = Math.min(delayMs, Math.max(dueMs, 0) + 1);
    } catch (error) {
      this.report(error);
    }
    this.schedule(delayMs);
  }

  private report(error: unknown): void {
    if (isDatabaseUnavailable(error) || isLockConflict(error) || this.stopped)
      this.logger.debug(`no look at the sessions: ${String(error)}`);
    else this.logger.error(error, 'unexpected error while looking at the sessions');
  }
}
