export {
  type BucketScheme,
  bucketBounds,
  bucketOf,
  COARSE_BUCKETS,
  FINE_BUCKETS,
  lowerBoundOf,
} from './buckets.js';
export { LatencyHistogram, quantileOfSorted } from './histogram.js';
export {
  formatLatency,
  MICROSECONDS_PER_MILLISECOND,
  MICROSECONDS_PER_SECOND,
  millisecondsToMicroseconds,
} from './units.js';
