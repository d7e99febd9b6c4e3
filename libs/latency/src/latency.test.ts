import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  bucketBounds,
  bucketOf,
  COARSE_BUCKETS,
  FINE_BUCKETS,
  formatLatency,
  LatencyHistogram,
  lowerBoundOf,
  millisecondsToMicroseconds,
  quantileOfSorted,
} from './index.js';

const latency = fc.oneof(
  fc.maxSafeNat(),
  fc.integer({ min: 0, max: 10_000_000 }),
  // Powers of two and their neighbours, where an exponent that is off by one would show.
  fc.tuple(fc.integer({ min: 1, max: 52 }), fc.integer({ min: -1, max: 1 })).map(([e, d]) => 2 ** e + d),
);
const scheme = fc.constantFrom(FINE_BUCKETS, COARSE_BUCKETS, { partsPerOctave: 1 }, { partsPerOctave: 8 });

describe('buckets', () => {
  it('hold every value between their own lower bound and the next', () => {
    fc.assert(
      fc.property(latency, scheme, (value, buckets) => {
        const bucket = bucketOf(value, buckets);
        expect(lowerBoundOf(bucket, buckets)).toBeLessThanOrEqual(value);
        expect(lowerBoundOf(bucket + 1, buckets)).toBeGreaterThan(value);
        expect(bucketOf(lowerBoundOf(bucket, buckets), buckets)).toBe(bucket);
      }),
    );
  });

  it('give bounds that rise and start at zero', () => {
    const bounds = bucketBounds(86_400_000_000, COARSE_BUCKETS);
    expect(bounds[0]).toBe(0);
    for (let i = 1; i < bounds.length; i++) expect(bounds[i]).toBeGreaterThan(bounds[i - 1] ?? -1);
    expect(bounds.at(-1)).toBeLessThanOrEqual(86_400_000_000);
  });

  it('refuse what is not a whole number of at least zero', () => {
    for (const value of [-1, 0.5, Number.NaN, 2 ** 53]) expect(() => bucketOf(value)).toThrow(RangeError);
  });
});

describe('a latency histogram', () => {
  it('answers every quantile within 1/64 of the exact one', () => {
    fc.assert(
      fc.property(
        fc.array(latency, { minLength: 1, maxLength: 200 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (values, q) => {
          const histogram = new LatencyHistogram();
          for (const value of values) histogram.record(value);
          const exact =
            quantileOfSorted(
              values.toSorted((a, b) => a - b),
              q,
            ) ?? -1;
          expect(Math.abs((histogram.quantile(q) ?? -1) - exact)).toBeLessThanOrEqual(exact / 64);
        },
      ),
    );
  });

  it('merged from parts equals the one of all values', () => {
    fc.assert(
      fc.property(fc.array(latency), fc.array(latency), fc.constantFrom(0, 0.5, 0.9, 0.99, 1), (a, b, q) => {
        const [left, right, whole] = [new LatencyHistogram(), new LatencyHistogram(), new LatencyHistogram()];
        for (const value of a) left.record(value);
        for (const value of b) right.record(value);
        for (const value of [...a, ...b]) whole.record(value);
        left.merge(right);
        expect([left.count, left.maximum, left.quantile(q)]).toEqual([
          whole.count,
          whole.maximum,
          whole.quantile(q),
        ]);
      }),
    );
  });

  it('knows the exact count, maximum and mean, and nothing when it is empty', () => {
    const histogram = new LatencyHistogram();
    expect([histogram.quantile(0.5), histogram.mean, histogram.maximum]).toEqual([null, null, null]);
    histogram.record(10, 3);
    histogram.record(1_000_003);
    expect([histogram.count, histogram.maximum, histogram.mean]).toEqual([4, 1_000_003, 250_008.25]);
  });

  it('refuses to merge another bucket scheme and a quantile outside 0–1', () => {
    const histogram = new LatencyHistogram();
    expect(() => histogram.merge(new LatencyHistogram(COARSE_BUCKETS))).toThrow(/scheme/);
    histogram.record(1);
    expect(() => histogram.quantile(1.1)).toThrow(RangeError);
  });
});

describe('units', () => {
  it('round milliseconds to whole microseconds', () => {
    expect(millisecondsToMicroseconds(0.1 + 0.2)).toBe(300);
    expect(millisecondsToMicroseconds(51.2345)).toBe(51_235);
  });

  it('show three significant digits', () => {
    expect([850, 1_500, 51_234, 512_345, 3_010_000].map(formatLatency)).toEqual([
      '850 µs',
      '1.50 ms',
      '51.2 ms',
      '512 ms',
      '3.01 s',
    ]);
  });
});
