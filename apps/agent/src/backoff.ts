/** Exponential backoff. The n-th delay is at most `firstMs` × 2^n, and never above `maxMs`. */
export class Backoff {
  private failures = 0;

  constructor(
    private readonly firstMs: number,
    private readonly maxMs: number,
    /** 0 ≤ x < 1. */
    private readonly random: () => number = Math.random,
  ) {}

  reset(): void {
    this.failures = 0;
  }

  /**
   * Full jitter: anything from 0 to the bound, which spreads a fleet best after an outage.
   * https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
   */
  nextWithFullJitterMs(): number {
    return this.random() * this.nextBoundMs();
  }

  /** The bound itself, for what is alone on its host. */
  nextBoundMs(): number {
    const bound = Math.min(this.maxMs, this.firstMs * 2 ** this.failures);
    if (bound < this.maxMs) this.failures++;
    return bound;
  }
}
