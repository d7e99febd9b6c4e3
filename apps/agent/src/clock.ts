import { performance } from 'node:perf_hooks';

export interface Timer {
  cancel(): void;
}

/** Time as the agent sees it; tests put their own in its place. */
export interface Clock {
  /** Rises steadily, milliseconds; says nothing about the time of day. */
  monotonicMs(): number;
  /** Microseconds since the Unix epoch. */
  wallUs(): number;
  /** Calls once after this many milliseconds, however long. */
  after(milliseconds: number, callback: () => void): Timer;
}

/** setTimeout takes at most 2^31−1 ms and fires at once beyond. */
const TIMEOUT_MAX_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  monotonicMs: () => performance.now(),
  wallUs: () => Math.floor((performance.timeOrigin + performance.now()) * 1000),
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
