import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { WallClock } from './wall-clock.js';

const EPOCH_US = 1_795_000_000_123_456;

/** A host whose clocks advance by 7 µs at each look. */
function host(epochUs = EPOCH_US) {
  const time = { us: 0, epochUs };
  const look = () => {
    time.us += 7;
    return time.us;
  };
  return { time, clock: new WallClock(look, () => Math.floor((time.epochUs + look()) / 1000)) };
}

describe('the wall clock', () => {
  it('is exact within what it says of itself, of a clock that is told in milliseconds', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 10_000_000 }),
        fc.array(fc.integer({ min: 0, max: 5_000 })),
        (beyondUs, pauses) => {
          const { time, clock } = host(EPOCH_US + beyondUs);
          for (const pause of [0, ...pauses]) {
            time.us += pause;
            const { us, uncertaintyUs } = clock.lessMonotonic();
            expect(uncertaintyUs).toBeLessThanOrEqual(20);
            expect(Math.abs(us - time.epochUs)).toBeLessThanOrEqual(uncertaintyUs);
          }
        },
      ),
    );
  });

  it('follows a clock that was set, forward and back', () => {
    const { time, clock } = host();
    clock.lessMonotonic();
    for (const stepUs of [3_600_000_000, -7_200_000_000, 5_000]) {
      time.epochUs += stepUs;
      const { us, uncertaintyUs } = clock.lessMonotonic();
      expect(Math.abs(us - time.epochUs)).toBeLessThanOrEqual(uncertaintyUs);
    }
  });

  it('is that of this host', () => {
    const clock = new WallClock();
    const before = Date.now();
    const us = clock.us();
    const after = Date.now();
    expect(us).toBeGreaterThanOrEqual(before * 1000);
    expect(us).toBeLessThan((after + 1) * 1000);
  });
});
