import { performance } from 'node:perf_hooks';
import { WallClock, type WallLessMonotonic } from './wall-clock.js';

export interface Timer {
  cancel(): void;
}

/** Time as the agent sees it; tests put their own in its place. */
export interface Clock {
  /** Rises steadily, milliseconds; says nothing about the time of day. */
  monotonicMs(): number;
  /** Microseconds since the Unix epoch, as the host's clock is set at the moment. */
  wallUs(): number;
  /** How far the wall clock is ahead of the monotonic one. Changes only when somebody sets the clock. */
  wallLessMonotonic(): WallLessMonotonic;
  /** Calls once after this many milliseconds, however long. */
  after(milliseconds: number, callback: () => void): Timer;
}

/** setTimeout takes at most 2^31−1 ms and fires at once beyond. */
const TIMEOUT_MAX_MS = 2 ** 31 - 1;

const wallClock = new WallClock();

export const systemClock: Clock = {
  monotonicMs: () => performance.now(),
  wallUs: () => wallClock.us(),
  wallLessMonotonic: () => wallClock.lessMonotonic(),
  after(milliseconds, callback) {
    let handle: NodeJS.Timeout;
    const arm = (left: number) => {
      const step = Math.min(Math.max(left, 0), TIMEOUT_MAX_MS);
      handle = setTimeout(() => (left > step ? arm(left - step) : callback()), step);
    };
    arm(milliseconds);
    return { cancel: () => clearTimeout(handle) };
  },
};
