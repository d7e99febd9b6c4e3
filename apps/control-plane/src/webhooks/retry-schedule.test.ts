import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  LONGEST_RETRY_AFTER_MS,
  MOST_ATTEMPTS,
  pauseMs,
  readRetryAfter,
  retryDelayMs,
} from './retry-schedule.js';

const HOUR_MS = 3_600_000;
const delays = (random: number) =>
  Array.from({ length: MOST_ATTEMPTS - 1 }, (_, failed) =>
    retryDelayMs(MOST_ATTEMPTS - 1 - failed, null, random),
  );

describe('the schedule of retries', () => {
  it('has ten attempts over three days, which grow apart', () => {
    expect(delays(0).map((ms) => Number(ms) / 1_000)).toEqual([
      5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400,
    ]);
    const totalMs = delays(0).reduce<number>((sum, ms) => sum + Number(ms), 0);
    expect(totalMs / HOUR_MS).toBeCloseTo(75.58, 1);
    expect(retryDelayMs(0, 5_000, 0)).toBeNull();
  });

  it('is spread by a fifth of each delay at most', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1, noNaN: true }), (random) => {
        for (const [index, delay] of delays(random).entries()) {
          const least = Number(delays(0)[index]);
          expect(delay).toBeGreaterThanOrEqual(least);
          expect(delay).toBeLessThanOrEqual(least * 1.2);
        }
      }),
    );
  });

  it('waits as long as the endpoint asks, and not shorter than it would anyhow', () => {
    expect(retryDelayMs(9, 60_000, 0)).toBe(60_000);
    expect(retryDelayMs(5, 60_000, 0)).toBe(18_000_000);
  });

  it('leaves a failing webhook in peace for a second, then twice as long each time, a minute at most', () => {
    expect([1, 2, 3, 6, 7, 1_000].map((failures) => pauseMs(failures, null))).toEqual([
      1_000, 2_000, 4_000, 32_000, 60_000, 60_000,
    ]);
    expect(pauseMs(1, 90_000)).toBe(90_000);
  });
});

describe('Retry-After', () => {
  const now = Date.parse('2026-01-31T08:00:00Z');

  it.each<[string, string | undefined, string | undefined, number | null]>([
    ['seconds', '120', undefined, 120_000],
    ['nothing', '0', undefined, 0],
    ['a date, from our clock', 'Sat, 31 Jan 2026 08:01:00 GMT', undefined, 60_000],
    [
      'a date, from the clock of the answer',
      'Sat, 31 Jan 2026 09:01:00 GMT',
      'Sat, 31 Jan 2026 09:00:30 GMT',
      30_000,
    ],
    ['a date that is over', 'Sat, 31 Jan 2026 07:00:00 GMT', undefined, 0],
    ['a thousand years', '31536000000', undefined, LONGEST_RETRY_AFTER_MS],
    ['a date far away', 'Fri, 31 Dec 9999 23:59:59 GMT', undefined, LONGEST_RETRY_AFTER_MS],
    ['none', undefined, undefined, null],
    ['what is negative', '-5', undefined, null],
    ['what is no time', 'soon', undefined, null],
    ['a number too long to be one', '9'.repeat(30), undefined, null],
  ])('is read when it holds %s', (_what, value, date, expected) => {
    expect(readRetryAfter(value, date, now)).toBe(expected);
  });
});
