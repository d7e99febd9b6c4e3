import { type BucketScheme, bucketOf, FINE_BUCKETS, lowerBoundOf } from './buckets.js';

/** Counts by log-linear bucket, with the exact count, sum and maximum beside them. */
export class LatencyHistogram {
  readonly #scheme: BucketScheme;
  readonly #counts: number[] = [];
  #count = 0;
  #sum = 0;
  #maximum: number | null = null;

  constructor(scheme: BucketScheme = FINE_BUCKETS) {
    this.#scheme = scheme;
  }

  get count(): number {
    return this.#count;
  }

  get maximum(): number | null {
    return this.#maximum;
  }

  get mean(): number | null {
    return this.#count === 0 ? null : this.#sum / this.#count;
  }

  record(value: number, times = 1): void {
    const bucket = bucketOf(value, this.#scheme);
    while (this.#counts.length <= bucket) this.#counts.push(0);
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + times;
    this.#count += times;
    this.#sum += value * times;
    if (this.#maximum === null || value > this.#maximum) this.#maximum = value;
  }

  /** Adds the other's counts. Both must have the same scheme. */
  merge(other: LatencyHistogram): void {
    if (other.#scheme.partsPerOctave !== this.#scheme.partsPerOctave) {
      throw new RangeError('histograms of different bucket schemes cannot be merged');
    }
    while (this.#counts.length < other.#counts.length) this.#counts.push(0);
    other.#counts.forEach((times, bucket) => {
      this.#counts[bucket] = (this.#counts[bucket] ?? 0) + times;
    });
    this.#count += other.#count;
    this.#sum += other.#sum;
    if (other.#maximum !== null && (this.#maximum === null || other.#maximum > this.#maximum)) {
      this.#maximum = other.#maximum;
    }
  }

  /**
   * The value at or below which the fraction `q` of all values lies (nearest rank, as SQL's percentile_disc), to within
   * 1 / (2 × partsPerOctave) of it. Null when nothing was recorded.
   */
  quantile(q: number): number | null {
    if (this.#count === 0) return null;
    const rank = nearestRank(q, this.#count);
    let seen = 0;
    for (const [bucket, times] of this.#counts.entries()) {
      seen += times;
      if (seen >= rank) return Math.min(this.#middleOf(bucket), this.#maximum ?? 0);
    }
    return this.#maximum;
  }

  #middleOf(bucket: number): number {
    const lower = lowerBoundOf(bucket, this.#scheme);
    const last = lowerBoundOf(bucket + 1, this.#scheme) - 1;
    return Math.floor((lower + last) / 2);
  }
}

/** The exact quantile of values in ascending order, by nearest rank; null for none. */
export function quantileOfSorted(values: ArrayLike<number>, q: number): number | null {
  return values.length === 0 ? null : (values[nearestRank(q, values.length) - 1] ?? null);
}

function nearestRank(q: number, count: number): number {
  if (!(q >= 0 && q <= 1)) throw new RangeError(`a quantile is asked for by a fraction in 0–1, not ${q}`);
  return Math.max(1, Math.ceil(q * count));
}
