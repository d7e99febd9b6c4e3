/**
 * Log-linear buckets: every power of two is cut into the same number of equal parts, so that the width of a bucket is a fixed
 * fraction of its values (as in HdrHistogram). Values are whole and not negative, in any unit; ours are microseconds.
 */
export interface BucketScheme {
  /** Parts per power of two; a power of two itself. The relative error of a bucket's middle is at most 1 / (2 × parts). */
  readonly partsPerOctave: number;
}

/** 32 parts: a quantile is at most 1.6 % off. */
export const FINE_BUCKETS: BucketScheme = { partsPerOctave: 32 };

/** 2 parts: what an eye tells apart on a heatmap. */
export const COARSE_BUCKETS: BucketScheme = { partsPerOctave: 2 };

const TWO_TO_32 = 2 ** 32;

/** floor(log2(value)) for 1 ≤ value < 2^53. Math.log2 rounds, and would be off by one just below a power of two. */
function exponentOf(value: number): number {
  return value < TWO_TO_32 ? 31 - Math.clz32(value) : 63 - Math.clz32(Math.floor(value / TWO_TO_32));
}

/** The bucket that holds a value. Throws RangeError for what is not a whole number in 0–2^53. */
export function bucketOf(value: number, { partsPerOctave }: BucketScheme = FINE_BUCKETS): number {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new RangeError(`a latency is a whole number of at least 0, not ${value}`);
  }
  if (value < partsPerOctave) return value;
  const octave = exponentOf(value) - exponentOf(partsPerOctave);
  return partsPerOctave * octave + Math.floor(value / 2 ** octave);
}

/** The smallest value of a bucket. The bucket ends before the lower bound of the next. */
export function lowerBoundOf(bucket: number, { partsPerOctave }: BucketScheme = FINE_BUCKETS): number {
  if (bucket < partsPerOctave) return bucket;
  const octave = Math.floor(bucket / partsPerOctave) - 1;
  return (bucket - partsPerOctave * octave) * 2 ** octave;
}

/** The lower bounds of all buckets up to the one that holds `maximum`: ascending, as SQL's width_bucket(value, bounds) wants them. */
export function bucketBounds(maximum: number, scheme: BucketScheme = FINE_BUCKETS): number[] {
  return Array.from({ length: bucketOf(maximum, scheme) + 1 }, (_, bucket) => lowerBoundOf(bucket, scheme));
}
