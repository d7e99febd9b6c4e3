import type { Clock, Timer } from '../clock.js';
import type { WallLessMonotonic } from '../wall-clock.js';

interface Armed {
  readonly atMs: number;
  readonly callback: () => void;
}

/** Time that stands still until a test moves it. */
export class ManualClock implements Clock {
  private nowMs = 1_000;
  private readonly armed = new Set<Armed>();

  /** Wall time at monotonic zero; microseconds. */
  constructor(private epochUs = 1_795_000_000_000_000) {}

  monotonicMs(): number {
    return this.nowMs;
  }

  wallUs(): number {
    return this.epochUs + this.nowMs * 1000;
  }

  wallLessMonotonic(): WallLessMonotonic {
    return { us: this.epochUs, uncertaintyUs: 0 };
  }

  /** Somebody sets the wall clock, by this much. */
  setWall(byUs: number): void {
    this.epochUs += byUs;
  }

  after(milliseconds: number, callback: () => void): Timer {
    const timer = { atMs: this.nowMs + Math.max(0, milliseconds), callback };
    this.armed.add(timer);
    return { cancel: () => this.armed.delete(timer) };
  }

  get timers(): number {
    return this.armed.size;
  }

  /** Fires what is due on the way, in order. */
  advance(milliseconds: number): void {
    const until = this.nowMs + milliseconds;
    for (;;) {
      const [next] = [...this.armed].filter(({ atMs }) => atMs <= until).sort((a, b) => a.atMs - b.atMs);
      if (next === undefined) break;
      this.armed.delete(next);
      this.nowMs = Math.max(this.nowMs, next.atMs);
      next.callback();
    }
    this.nowMs = until;
  }
}
