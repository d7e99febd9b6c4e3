import type { Timing } from './timing.js';

/** Later than this counts as missed, however short the catch-up window is: the scheduler itself may be a few seconds late. */
export const ON_TIME_SECONDS = 10;

/** How many missed due times are recorded after a long absence of all replicas: the latest ones. */
export const MOST_MISSED = 20;

export interface Arrears {
  readonly timing: Timing;
  /** The first due time that nothing has become of yet. */
  readonly firstDue: Date;
  readonly catchUpSeconds: number;
  /** When a due time fires, its jitter included. */
  readonly fireTime: (due: Date) => Date;
}

/** What becomes of the due times whose time to fire has come. */
export interface Settlement {
  /** The one to fire. Null if even the latest one is later than the catch-up window allows. */
  readonly fire: Date | null;
  /** Those that do not fire, the earliest first. */
  readonly missed: readonly Date[];
  /** Whether there were more before those, which are too many to record. */
  readonly unrecorded: boolean;
  /** The next due time; null if there is none any more. */
  readonly next: Date | null;
}

/** Of several due times the latest fires, if it is not too late for it. `now` is the database's. */
export function settle({ timing, firstDue, catchUpSeconds, fireTime }: Arrears, now: Date): Settlement {
  const following = timing.next(firstDue, 1)[0] ?? null;
  const several = following !== null && fireTime(following) <= now;
  const dues = several
    ? // Two more: one whose jitter is not over yet, and one that tells whether there are more.
      timing.last(now, MOST_MISSED + 3).filter((due) => due >= firstDue)
    : [firstDue];
  const come = dues.filter((due) => fireTime(due) <= now);
  const latest = come.at(-1) ?? firstDue;
  const lateSeconds = (now.getTime() - fireTime(latest).getTime()) / 1_000;
  const fire = lateSeconds <= Math.max(catchUpSeconds, ON_TIME_SECONDS) ? latest : null;
  const notFired = fire === null ? come : come.slice(0, -1);
  const missed = notFired.slice(-MOST_MISSED);
  const earliest = missed[0] ?? fire;
  return {
    fire,
    missed,
    unrecorded: earliest !== null && earliest > firstDue,
    next: timing.next(latest, 1)[0] ?? null,
  };
}
