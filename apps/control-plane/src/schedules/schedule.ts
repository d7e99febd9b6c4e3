import type { Overlap, TraceSessionCreate } from '@synscope/api-contract';
import { CronTiming } from './cron-timing.js';
import { IntervalTiming } from './interval-timing.js';
import { fireTime } from './jitter.js';
import type { Timing } from './timing.js';

/** What a user decides of a schedule. */
export interface ScheduleSettings {
  readonly name: string;
  /** Exactly one of `cron` and `everySeconds` is not null. */
  readonly cron: string | null;
  readonly everySeconds: number | null;
  readonly timezone: string;
  readonly jitterSeconds: number;
  readonly overlap: Overlap;
  readonly catchUpSeconds: number;
  readonly session: TraceSessionCreate;
  readonly paused: boolean;
}

/** The first due time that nothing has become of yet, and when it fires. */
export interface Plan {
  readonly dueAt: Date;
  readonly fireAt: Date;
}

export interface StoredSchedule extends ScheduleSettings {
  readonly id: string;
  /** Intervals count from here. */
  readonly anchorAt: Date;
  /** Null while paused, and for a cron that will not be due again. */
  readonly plan: Plan | null;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

type Timed = Pick<StoredSchedule, 'cron' | 'everySeconds' | 'timezone' | 'anchorAt'>;

/** Throws an Error that says what is wrong with the cron, if something is. */
export function timingOf({ cron, everySeconds, timezone, anchorAt }: Timed): Timing {
  return cron === null
    ? new IntervalTiming(everySeconds ?? Number.NaN, anchorAt)
    : new CronTiming(cron, timezone);
}

export function planFor(id: string, due: Date | null, jitterSeconds: number): Plan | null {
  return due && { dueAt: due, fireAt: fireTime(id, due, jitterSeconds) };
}
