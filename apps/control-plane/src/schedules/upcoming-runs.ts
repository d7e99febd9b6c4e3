import { Injectable } from '@nestjs/common';
import { SHOWN_RUNS } from '@synscope/api-contract';
import { type StoredSchedule, timingOf } from './schedule.js';

/** More than a page of schedules has. */
const MOST_REMEMBERED = 2_000;

interface Remembered {
  readonly after: Date;
  readonly dues: readonly Date[];
}

/** The next due times of schedules. Reckoning them takes croner a millisecond, a second for a page of a thousand schedules: they are kept as long as they hold. */
@Injectable()
export class UpcomingRuns {
  private readonly remembered = new Map<string, Remembered>();

  of(schedule: StoredSchedule, now: Date): readonly Date[] {
    // One whose jitter is not over yet comes before now.
    const after = schedule.plan === null ? now : new Date(schedule.plan.dueAt.getTime() - 1);
    const key = JSON.stringify([
      schedule.cron,
      schedule.timezone,
      schedule.everySeconds,
      schedule.everySeconds && schedule.anchorAt,
    ]);
    const known = this.remembered.get(key);
    const first = known?.dues[0];
    if (known && first && known.after <= after && after < first) return known.dues;
    const dues = timingOf(schedule).next(after, SHOWN_RUNS);
    this.remembered.delete(key);
    this.remembered.set(key, { after, dues });
    const [oldest] = this.remembered.keys();
    if (this.remembered.size > MOST_REMEMBERED && oldest !== undefined) this.remembered.delete(oldest);
    return dues;
  }
}
