import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CronTiming } from './cron-timing.js';

const iso = (dues: readonly Date[]): string[] => dues.map((due) => due.toISOString().slice(0, 16));
const next = (cron: string, after: string, count: number, timezone = 'Europe/Berlin'): string[] =>
  iso(new CronTiming(cron, timezone).next(new Date(after), count));

describe('a cron in Europe/Berlin, when the clock jumps from 02:00 to 03:00 on 2026-03-29', () => {
  it('is due at the end of the gap if its time falls in, and at its own time again the day after', () => {
    expect(next('30 2 * * *', '2026-03-28T00:00Z', 3)).toEqual([
      '2026-03-28T01:30',
      '2026-03-29T01:00',
      '2026-03-30T00:30',
    ]);
    expect(next('30 2 * * *', '2026-03-29T01:00Z', 1)).toEqual(['2026-03-30T00:30']);
  });

  it('is due there once, however many of its fixed times fall in, and at the others as ever', () => {
    expect(next('0,30 2 * * *', '2026-03-29T00:00Z', 2)).toEqual(['2026-03-29T01:00', '2026-03-30T00:00']);
    expect(next('30 2,14 * * *', '2026-03-29T00:00Z', 2)).toEqual(['2026-03-29T01:00', '2026-03-29T12:30']);
  });

  it('follows the clock on the wall if it is no fixed time', () => {
    expect(next('*/30 * * * *', '2026-03-29T00:00Z', 3)).toEqual([
      '2026-03-29T00:30',
      '2026-03-29T01:00',
      '2026-03-29T01:30',
    ]);
    expect(next('*/30 2 * * *', '2026-03-29T00:00Z', 1)).toEqual(['2026-03-30T00:00']);
  });
});

describe('a cron in Europe/Berlin, when the clock goes back from 03:00 to 02:00 on 2026-10-25', () => {
  it('is due at the first of the two', () => {
    expect(next('30 2 * * *', '2026-10-24T12:00Z', 2)).toEqual(['2026-10-25T00:30', '2026-10-26T01:30']);
  });

  it('is not due again at the second, from wherever in the two hours one looks', () => {
    for (const after of ['00:30', '00:45', '01:00', '01:15', '01:29', '01:30', '01:45']) {
      expect(next('30 2 * * *', `2026-10-25T${after}Z`, 1)).toEqual(['2026-10-26T01:30']);
    }
  });

  it('is due in both hours if it is no fixed time', () => {
    expect(next('0 * * * *', '2026-10-24T23:30Z', 3)).toEqual([
      '2026-10-25T00:00',
      '2026-10-25T01:00',
      '2026-10-25T02:00',
    ]);
    expect(next('*/30 2 * * *', '2026-10-24T23:30Z', 4)).toEqual([
      '2026-10-25T00:00',
      '2026-10-25T00:30',
      '2026-10-25T01:00',
      '2026-10-25T01:30',
    ]);
  });
});

describe('a cron', () => {
  it('knows gaps of half an hour, and gaps at midnight', () => {
    // 02:00 → 02:30 on 2026-10-04.
    expect(next('15 2 * * *', '2026-10-03T00:00Z', 2, 'Australia/Lord_Howe')).toEqual([
      '2026-10-03T15:30',
      '2026-10-04T15:15',
    ]);
    // 00:00 → 01:00 on 2026-09-06.
    expect(next('0 0 * * 0', '2026-09-01T00:00Z', 2, 'America/Santiago')).toEqual([
      '2026-09-06T04:00',
      '2026-09-13T03:00',
    ]);
  });

  it('tells its shortest period', () => {
    const from = new Date('2026-01-01T00:00Z');
    expect(new CronTiming('0,10 * * * *', 'UTC').shortestPeriodSeconds(from)).toBe(600);
    expect(new CronTiming('@daily', 'UTC').shortestPeriodSeconds(from)).toBe(86_400);
    expect(new CronTiming('0 0 29 2 *', 'UTC').shortestPeriodSeconds(from)).toBe(4 * 365.25 * 86_400);
  });

  it('that never fits a day has no due times', () => {
    expect(next('0 0 30 2 *', '2026-01-01T00:00Z', 1)).toEqual([]);
  });

  it('names the same due times backwards as forwards, strictly one after the other', () => {
    const field = (values: readonly string[]) => fc.constantFrom(...values);
    const cron = fc
      .tuple(field(['0', '30', '0,30', '*/20', '15-17']), field(['2', '1-3', '*', '*/2', '2,14']))
      .map(([minute, hour]) => `${minute} ${hour} * * *`);
    const timezone = field(['Europe/Berlin', 'Australia/Lord_Howe', 'America/New_York', 'Asia/Kolkata']);
    const moment = fc
      .integer({ min: Date.UTC(2026, 0, 1), max: Date.UTC(2027, 0, 1) })
      .map((milliseconds) => new Date(milliseconds));
    // Around the changes, which a moment of the year rarely hits.
    const change = fc
      .tuple(
        fc.constantFrom('2026-03-29T01:00Z', '2026-10-25T01:00Z', '2026-10-03T15:30Z', '2026-04-04T15:00Z'),
        fc.integer({ min: -10_800_000, max: 10_800_000 }),
      )
      .map(([at, offset]) => new Date(Date.parse(at) + offset));
    fc.assert(
      fc.property(cron, timezone, fc.oneof(moment, change), (text, zone, after) => {
        const timing = new CronTiming(text, zone);
        const forwards = timing.next(after, 6);
        expect(forwards).toHaveLength(6);
        for (const [index, due] of forwards.entries()) {
          expect(due.getTime()).toBeGreaterThan((forwards[index - 1] ?? after).getTime());
          expect(due.getTime() % 1_000).toBe(0);
        }
        const until = forwards.at(-1) as Date;
        expect(timing.last(until, 6)).toEqual(forwards);
        expect(timing.last(new Date(until.getTime() + 999), 6)).toEqual(forwards);
        expect(timing.last(new Date(until.getTime() - 1), 5)).toEqual(forwards.slice(0, -1));
      }),
      { numRuns: 300 },
    );
  });
});
