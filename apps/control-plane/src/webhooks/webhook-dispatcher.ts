import { Injectable, Logger, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { ChangeFeed } from '../change-feed/change-feed.js';
import { isDatabaseUnavailable } from '../database/database-unavailable.js';
import { isLockConflict } from '../database/lock-conflict.js';
import { AttemptRecorder } from './attempt-recorder.js';
import { DeliveryAttempt } from './delivery-attempt.js';
import { DeliveryQueueStore, type DueAttempt } from './delivery-queue.store.js';
import { retryDelayMs } from './retry-schedule.js';
import { WebhookMetrics } from './webhook.metrics.js';

/** Attempts that a replica makes at a time, and those of them for webhooks that fail: they may hang, and the others do not wait for them. */
const MOST_UNDER_WAY = 128;
const MOST_UNDER_WAY_FAILING = 32;

/** The longest time between two looks at what is due, milliseconds: repairs hints that got lost. */
const SWEEP_INTERVAL_MS = 5_000;

/** Something is due that another replica is at: time enough for it. Milliseconds. */
const BUSY_INTERVAL_MS = 50;

/** How long a shutdown waits for attempts under way. What it breaks off is made again when its lease is over. Milliseconds. */
const SHUTDOWN_WAIT_MS = 3_000;

/**
 * Delivers events. Every replica runs one, and all are equal: each takes on what is due by the database's clock, sleeps until the next is,
 * and is woken by a hint when something happens.
 */
@Injectable()
export class WebhookDispatcher implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly logger = new Logger('WebhookDispatcher');
  private readonly underWay = new Map<Promise<void>, DueAttempt>();
  private readonly shutdown = new AbortController();
  private timer: NodeJS.Timeout | undefined;
  private looking: Promise<void> | null = null;
  /** Something changed during the present look. */
  private again = false;
  private stopped = false;
  /** There may be events without deliveries. */
  private hasNews = true;
  private nextSweepAtMs = 0;

  constructor(
    private readonly store: DeliveryQueueStore,
    private readonly attempts: DeliveryAttempt,
    private readonly recorder: AttemptRecorder,
    private readonly changes: ChangeFeed,
    private readonly metrics: WebhookMetrics,
  ) {}

  onApplicationBootstrap(): void {
    this.changes.subscribe({
      changed: ({ kind }) => {
        if (kind !== 'webhook') return;
        this.hasNews = true;
        this.wake();
      },
      resync: () => this.wake(),
    });
    this.wake();
  }

  async onModuleDestroy(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.timer);
    await this.looking;
    const breakOff = setTimeout(() => this.shutdown.abort(), SHUTDOWN_WAIT_MS);
    await Promise.all(this.underWay.keys());
    clearTimeout(breakOff);
  }

  private wake(): void {
    if (this.stopped) return;
    if (this.looking !== null) {
      this.again = true;
      return;
    }
    clearTimeout(this.timer);
    this.again = false;
    this.looking = this.look().then((delayMs) => {
      this.looking = null;
      if (this.stopped) return;
      this.timer = setTimeout(() => this.wake(), this.again ? 0 : delayMs).unref();
    });
  }

  /** How long to sleep then, in milliseconds. */
  private async look(): Promise<number> {
    try {
      await this.sweep();
      while (this.hasNews && !this.stopped) this.hasNews = (await this.store.fanOut()) > 0;
      await this.takeOn();
      // The next attempt that ends makes room, and wakes.
      if (this.places === 0 || this.again) return SWEEP_INTERVAL_MS;
      const untilMs = await this.store.untilNextMs();
      if (untilMs === null) return SWEEP_INTERVAL_MS;
      // A millisecond more: timers may fire a little early.
      return untilMs <= 0 ? BUSY_INTERVAL_MS : Math.min(untilMs + 1, SWEEP_INTERVAL_MS);
    } catch (error) {
      this.report(error);
      return SWEEP_INTERVAL_MS;
    }
  }

  private async sweep(): Promise<void> {
    if (Date.now() < this.nextSweepAtMs) return;
    this.hasNews = true;
    this.metrics.givenUp.inc(await this.store.giveUpOld());
    this.metrics.pending.set(await this.store.pendingCount());
    this.nextSweepAtMs = Date.now() + SWEEP_INTERVAL_MS;
  }

  private get places(): number {
    return MOST_UNDER_WAY - this.underWay.size;
  }

  private async takeOn(): Promise<void> {
    const failing = [...this.underWay.values()].filter(({ isFailing }) => isFailing).length;
    const room = { places: this.places, placesForFailing: Math.max(MOST_UNDER_WAY_FAILING - failing, 0) };
    if (room.places === 0 || this.stopped) return;
    for (const attempt of await this.store.claim(room)) this.begin(attempt);
  }

  private begin(attempt: DueAttempt): void {
    const ended = this.run(attempt)
      .catch((error: unknown) => this.report(error))
      .finally(() => {
        this.underWay.delete(ended);
        this.metrics.underWay.set(this.underWay.size);
        this.wake();
      });
    this.underWay.set(ended, attempt);
    this.metrics.underWay.set(this.underWay.size);
  }

  private async run(attempt: DueAttempt): Promise<void> {
    const outcome = await this.attempts.make(attempt, this.shutdown.signal);
    if (outcome === null) return;
    const retryMs =
      outcome.verdict === 'failed'
        ? retryDelayMs(attempt.attemptsLeft, outcome.retryAfterMs, Math.random())
        : null;
    if (outcome.latencyUs !== null) this.metrics.attemptSeconds.observe(outcome.latencyUs / 1e6);
    this.metrics.attempts.inc({
      outcome: outcome.verdict === 'failed' && retryMs === null ? 'given_up' : outcome.verdict,
    });
    await this.recorder.record({ attempt, outcome, retryMs });
  }

  private report(error: unknown): void {
    if (isDatabaseUnavailable(error) || isLockConflict(error) || this.stopped)
      this.logger.debug(`no look at the webhooks: ${String(error)}`);
    else this.logger.error(error, 'unexpected error while delivering webhooks');
  }
}
