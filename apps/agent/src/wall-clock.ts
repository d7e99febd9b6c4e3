/** How well the difference is known once it was sharpened, and how long that may keep the thread busy; microseconds. */
const SHARP_US = 20;
const SHARPEN_MAX_US = 2_500;

/** A clock by how far it is ahead of the monotonic one; microseconds. */
export interface WallLessMonotonic {
  readonly us: number;
  /** Half of what it may be off by. */
  readonly uncertaintyUs: number;
}

/**
 * CLOCK_REALTIME, by which the probe stamps records, in microseconds. Node tells it in whole milliseconds alone (Date.now()); performance.timeOrigin is
 * of the start, and misses every time that the clock was set since. What each reading says of the difference to the monotonic clock, a range of a
 * millisecond, is narrowed by every other; NTP slews both clocks together, so a range that none of the others meets means that the clock was set.
 */
export class WallClock {
  private lowUs = Number.NEGATIVE_INFINITY;
  private highUs = Number.POSITIVE_INFINITY;

  constructor(
    private readonly monotonicUs: () => number = () => performance.now() * 1000,
    private readonly dateMs: () => number = Date.now,
  ) {}

  lessMonotonic(): WallLessMonotonic {
    const isFirst = this.highUs === Number.POSITIVE_INFINITY;
    const wasSet = !this.observe();
    if (wasSet) {
      this.lowUs = Number.NEGATIVE_INFINITY;
      this.highUs = Number.POSITIVE_INFINITY;
    }
    if (isFirst || wasSet) this.sharpen();
    return { us: (this.lowUs + this.highUs) / 2, uncertaintyUs: (this.highUs - this.lowUs) / 2 };
  }

  us(): number {
    return Math.floor(this.lessMonotonic().us + this.monotonicUs());
  }

  /** Looks at the clock until its millisecond changes. */
  private sharpen(): void {
    const beganUs = this.monotonicUs();
    do {
      if (!this.observe()) return;
    } while (this.highUs - this.lowUs > SHARP_US && this.monotonicUs() - beganUs < SHARPEN_MAX_US);
  }

  /** False if the clock was set since it was first looked at. */
  private observe(): boolean {
    const beforeUs = this.monotonicUs();
    const dateUs = this.dateMs() * 1000;
    const afterUs = this.monotonicUs();
    const lowUs = Math.max(this.lowUs, dateUs - afterUs);
    const highUs = Math.min(this.highUs, dateUs + 1000 - beforeUs);
    if (lowUs > highUs) return false;
    this.lowUs = lowUs;
    this.highUs = highUs;
    return true;
  }
}
