import { Injectable, Logger, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { ChangeFeed } from '../change-feed/change-feed.js';
import { isDatabaseUnavailable } from '../database/database-unavailable.js';
import { ScheduleStore } from './schedule.store.js';
import { ScheduleFiring } from './schedule-firing.js';

/** The longest time between two looks at what is due, milliseconds: repairs hints that got lost. */
const SWEEP_INTERVAL_MS = 5_000;

/** Something is due that another replica is at: time enough for it, so that this one does not ask in a circle. Milliseconds. */
const BUSY_INTERVAL_MS = 50;

/**
 * Fires what is due. Every replica runs one, and all are equal: each sleeps until the next due time as the database's clock has it, or
 * until a schedule changes, and whoever is first takes it on. The clock of the replica only measures the sleep.
 */
@Injectable()
export class Scheduler implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly logger = new Logger('Scheduler');
  private timer: NodeJS.Timeout | undefined;
  private looking: Promise<void> | null = null;
  /** Something changed during the present look. */
  private again = false;
  private stopped = false;

  constructor(
    private readonly store: ScheduleStore,
    private readonly firing: ScheduleFiring,
    private readonly changes: ChangeFeed,
  ) {}

  onApplicationBootstrap(): void {
    this.changes.subscribe({
      changed: ({ kind }) => kind === 'schedule' && this.wake(),
      resync: () => this.wake(),
    });
    this.wake();
  }

  async onModuleDestroy(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.timer);
    await this.looking;
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
      const failed = await this.fireAllDue();
      const untilMs = await this.store.untilNextMs(failed);
      if (untilMs === null) return SWEEP_INTERVAL_MS;
      // A millisecond more: timers may fire a little early.
      return untilMs <= 0 ? BUSY_INTERVAL_MS : Math.min(untilMs + 1, SWEEP_INTERVAL_MS);
    } catch (error) {
      this.report(error);
      return SWEEP_INTERVAL_MS;
    }
  }

  /** The schedules that could not be fired. They wait for the next look, and keep no others from firing. */
  private async fireAllDue(): Promise<readonly string[]> {
    const failed: string[] = [];
    while (!this.stopped) {
      const fired = await this.firing.fireNext(failed);
      if (fired === null) break;
      if (fired.error === null) continue;
      this.report(fired.error, fired.scheduleId);
      failed.push(fired.scheduleId);
    }
    return failed;
  }

  private report(error: unknown, scheduleId?: string): void {
    const what = scheduleId === undefined ? 'the schedules' : `the schedule ${scheduleId}`;
    if (isDatabaseUnavailable(error) || this.stopped)
      this.logger.debug(`no look at ${what}: ${String(error)}`);
    else this.logger.error(error, `unexpected error while firing ${what}`);
  }
}
