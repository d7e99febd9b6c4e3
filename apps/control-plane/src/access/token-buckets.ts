export interface TokenBucketsOptions {
  /** What a full bucket holds, and what flows into it per minute. 0 for no limit. */
  readonly perMinute: number;
  /** Above this number of buckets the one that was used longest ago is forgotten, and with it what it lacked. */
  readonly maximumBuckets: number;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
}

export interface Allowance {
  readonly allowed: boolean;
  /** Whole requests that are left. */
  readonly remaining: number;
  /** Seconds until a request is allowed again; 0 if one is now. */
  readonly retryAfterSeconds: number;
  /** Seconds until the bucket is full, if nothing more is taken. */
  readonly fullInSeconds: number;
}

/** What flows in is added up in small parts, and must come to one in the end. */
const ROUNDING = 1e-9;
const ONE = 1 - ROUNDING;

interface Bucket {
  level: number;
  filledAtMs: number;
}

/** https://en.wikipedia.org/wiki/Token_bucket, one per key, in memory: a look-up in a map per request. */
export class TokenBuckets {
  // In the order of their last use, as a Map keeps the order of insertion.
  readonly #buckets = new Map<string, Bucket>();

  constructor(private readonly options: TokenBucketsOptions) {}

  get isUnlimited(): boolean {
    return this.options.perMinute === 0;
  }

  has(key: string): boolean {
    return this.#buckets.has(key);
  }

  forget(key: string): void {
    this.#buckets.delete(key);
  }

  /** Takes one, if there is one. */
  take(key: string): Allowance {
    const bucket = this.#filled(key);
    const allowed = this.isUnlimited || bucket.level >= ONE;
    if (allowed) bucket.level -= 1;
    return this.#allowance(bucket, allowed);
  }

  /** Takes one also if there is none: for what is done already, or must not be broken off. What is owed is at most a full bucket. */
  charge(key: string): void {
    const bucket = this.#filled(key);
    bucket.level = Math.max(bucket.level - 1, -this.options.perMinute);
  }

  /** Takes nothing, and makes no bucket. */
  look(key: string): Allowance {
    const bucket = this.#buckets.get(key);
    const level = bucket ? this.#levelNow(bucket) : this.options.perMinute;
    return this.#allowance({ level, filledAtMs: 0 }, this.isUnlimited || level >= ONE);
  }

  #filled(key: string): Bucket {
    const present = this.#buckets.get(key);
    const level = present ? this.#levelNow(present) : this.options.perMinute;
    const bucket = { level, filledAtMs: this.options.now() };
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    if (this.#buckets.size > this.options.maximumBuckets) {
      const [oldest] = this.#buckets.keys();
      if (oldest !== undefined) this.#buckets.delete(oldest);
    }
    return bucket;
  }

  #levelNow({ level, filledAtMs }: Bucket): number {
    const { perMinute, now } = this.options;
    return Math.min(perMinute, level + ((now() - filledAtMs) / 60_000) * perMinute);
  }

  #allowance({ level }: Bucket, allowed: boolean): Allowance {
    const { perMinute } = this.options;
    const secondsFor = (wanted: number) =>
      this.isUnlimited ? 0 : Math.max(0, Math.ceil(((wanted - level) * 60) / perMinute - ROUNDING));
    return {
      allowed,
      remaining: Math.max(0, Math.floor(level + ROUNDING)),
      retryAfterSeconds: allowed ? 0 : Math.max(1, secondsFor(1)),
      fullInSeconds: secondsFor(perMinute),
    };
  }
}
