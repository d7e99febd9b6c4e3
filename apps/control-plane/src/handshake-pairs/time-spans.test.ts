import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cut, hoursOf, mergeSpans, type TimeSpan } from './time-spans.js';

const spanArbitrary = fc
  .tuple(fc.integer({ min: 0, max: 10_000_000_000 }), fc.integer({ min: 1, max: 100_000_000 }))
  .map(([sinceUs, length]): TimeSpan => ({ sinceUs, untilUs: sinceUs + length }));

describe('spans of time', () => {
  it('when merged cover all that they did, apart from one another and in order, in a number that a statement can hold', () => {
    fc.assert(
      fc.property(fc.array(spanArbitrary, { maxLength: 300 }), (spans) => {
        const merged = mergeSpans(spans);
        expect(merged.length).toBeLessThanOrEqual(64);
        for (const { sinceUs, untilUs } of spans)
          expect(merged.some((span) => span.sinceUs <= sinceUs && untilUs <= span.untilUs)).toBe(true);
        merged.forEach((span, index) => {
          const next = merged[index + 1];
          if (next) expect(next.sinceUs).toBeGreaterThan(span.untilUs);
        });
      }),
    );
  });

  it('when cut have any two moments in one piece that are no further apart than the overlap', () => {
    fc.assert(
      fc.property(spanArbitrary, fc.nat(), fc.nat(), (span, first, apart) => {
        const length = span.untilUs - span.sinceUs;
        const one = span.sinceUs + (first % length);
        const other = Math.min(one + (apart % 1_000_000), span.untilUs - 1);
        const pieces = cut(span, 3_000_000, 1_000_000);
        expect(pieces.every(({ sinceUs, untilUs }) => untilUs - sinceUs <= 3_000_000)).toBe(true);
        expect(pieces.some(({ sinceUs, untilUs }) => sinceUs <= one && other < untilUs)).toBe(true);
      }),
    );
  });

  it('touch the hours of both ends and those in between', () => {
    expect(hoursOf([{ sinceUs: 3_599_999_999, untilUs: 7_200_000_000 }])).toEqual([0, 1, 2]);
  });
});
