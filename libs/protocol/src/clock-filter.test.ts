import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ClockFilter, type RoundTrip } from './clock-filter.js';

const EPOCH_US = 1_795_000_000_000_000;

/** A round trip to a clock that is `aheadUs` ahead, begun at `sentUs`. */
function roundTrip(sentUs: number, aheadUs: number, thereUs: number, backUs: number): RoundTrip {
  const receivedUs = sentUs + thereUs + aheadUs;
  return {
    sentUs,
    receivedUs,
    answeredUs: receivedUs + 30,
    heardUs: sentUs + thereUs + 30 + backUs,
    uncertaintyUs: 0,
  };
}

describe('the clock filter', () => {
  it('knows nothing before the first round trip', () => {
    expect(new ClockFilter().at(0)).toBeNull();
  });

  it('holds the true difference within its uncertainty, whatever the ways there and back take and the clocks drift', () => {
    const way = fc.integer({ min: 0, max: 500_000 });
    const trips = fc.array(
      fc.record({ there: way, back: way, pause: fc.integer({ min: 0, max: 20_000_000 }) }),
      {
        minLength: 1,
        maxLength: 20,
      },
    );
    fc.assert(
      fc.property(
        trips,
        fc.integer({ min: -EPOCH_US, max: EPOCH_US }),
        fc.integer({ min: -40, max: 40 }),
        (steps, initialUs, driftPpm) => {
          const filter = new ClockFilter();
          const aheadAt = (us: number) => initialUs + Math.round((us * driftPpm) / 1e6);
          let nowUs = 0;
          for (const { there, back, pause } of steps) {
            nowUs += pause;
            // What drifts within one round trip of a second at most is below a rounding of 50 µs.
            filter.add({ ...roundTrip(nowUs, aheadAt(nowUs), there, back), uncertaintyUs: 50 });
            nowUs += there + back + 30;
            const { differenceUs, uncertaintyUs } = filter.at(nowUs) ?? expect.fail('there is a sample');
            expect(Math.abs(differenceUs - aheadAt(nowUs))).toBeLessThanOrEqual(uncertaintyUs);
          }
        },
      ),
    );
  });

  it('goes by the quickest of recent round trips', () => {
    const filter = new ClockFilter();
    filter.add(roundTrip(0, 7_000, 90_000, 10_000));
    filter.add(roundTrip(1_000_000, 7_000, 100, 100));
    filter.add(roundTrip(2_000_000, 7_000, 5_000, 45_000));
    expect(filter.at(2_100_000)).toEqual({ differenceUs: 7_000, uncertaintyUs: expect.closeTo(100 + 55, 0) });
  });

  it('becomes less sure as time goes by', () => {
    const filter = new ClockFilter();
    filter.add(roundTrip(0, 0, 100, 100));
    expect(filter.at(60_000_230)?.uncertaintyUs).toBeCloseTo(100 + 60_000_000 * 50e-6);
  });

  it('drops at once what it knew when the remote clock was set', () => {
    const filter = new ClockFilter();
    filter.add(roundTrip(0, 0, 10, 10));
    filter.add(roundTrip(1_000_000, 300_000_000, 20_000, 20_000));
    expect(filter.at(1_040_030)?.differenceUs).toBe(300_000_000);
  });

  it('takes no round trip that ended before it began', () => {
    const filter = new ClockFilter();
    filter.add({ sentUs: 10, receivedUs: 5, answeredUs: 6, heardUs: 9, uncertaintyUs: 0 });
    filter.add({ sentUs: 0, receivedUs: 5, answeredUs: 50, heardUs: 9, uncertaintyUs: 0 });
    expect(filter.at(100)).toBeNull();
  });
});
