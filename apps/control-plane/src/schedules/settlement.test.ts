import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CronTiming } from './cron-timing.js';
import { IntervalTiming } from './interval-timing.js';
import { fireTime } from './jitter.js';
import { type Arrears, MOST_MISSED, settle } from './settlement.js';

const at = (text: string): Date => new Date(`2026-05-01T${text}Z`);
const hourly: Arrears = {
  timing: new CronTiming('0 * * * *', 'UTC'),
  firstDue: at('03:00:00'),
  catchUpSeconds: 60,
  fireTime: (due) => due,
};

describe('a due time whose time has come', () => {
  it('fires, and the next one follows', () => {
    expect(settle(hourly, at('03:00:00.004'))).toEqual({
      fire: at('03:00:00'),
      missed: [],
      unrecorded: false,
      next: at('04:00:00'),
    });
  });

  it('fires late within the catch-up window, and is missed after it', () => {
    expect(settle(hourly, at('03:01:00')).fire).toEqual(at('03:00:00'));
    expect(settle(hourly, at('03:01:01'))).toMatchObject({ fire: null, missed: [at('03:00:00')] });
  });

  it('may be ten seconds late even without a catch-up window', () => {
    const strict = { ...hourly, catchUpSeconds: 0 };
    expect(settle(strict, at('03:00:10')).fire).toEqual(at('03:00:00'));
    expect(settle(strict, at('03:00:11')).fire).toBeNull();
  });

  it('is late counted from its jitter', () => {
    const jittered = { ...hourly, fireTime: (due: Date) => new Date(due.getTime() + 1_800_000) };
    expect(settle(jittered, at('03:30:30')).fire).toEqual(at('03:00:00'));
  });
});

describe('of several due times', () => {
  it('the latest fires, and those before are missed', () => {
    expect(settle(hourly, at('06:00:30'))).toEqual({
      fire: at('06:00:00'),
      missed: [at('03:00:00'), at('04:00:00'), at('05:00:00')],
      unrecorded: false,
      next: at('07:00:00'),
    });
  });

  it('none fires if even the latest is too late', () => {
    const { fire, missed, next } = settle(hourly, at('05:30:00'));
    expect({ fire, missed, next }).toEqual({
      fire: null,
      missed: [at('03:00:00'), at('04:00:00'), at('05:00:00')],
      next: at('06:00:00'),
    });
  });

  it('only the latest missed ones are recorded, soon even after ten years', () => {
    const everyTenSeconds = {
      ...hourly,
      timing: new CronTiming('*/10 * * * * *', 'UTC'),
      firstDue: new Date('2016-05-01T00:00:00Z'),
    };
    const { fire, missed, unrecorded } = settle(everyTenSeconds, at('03:00:05'));
    expect(fire).toEqual(at('03:00:00'));
    expect(missed).toHaveLength(MOST_MISSED);
    expect(missed.at(-1)).toEqual(at('02:59:50'));
    expect(unrecorded).toBe(true);
  });

  it('each is settled once, whenever somebody looks, and its fire time has come', () => {
    const gaps = fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 40 });
    const settings = fc.record({
      period: fc.integer({ min: 10, max: 120 }),
      jitterShare: fc.double({ min: 0, max: 1, noNaN: true }),
      catchUpSeconds: fc.integer({ min: 0, max: 300 }),
    });
    fc.assert(
      fc.property(settings, gaps, ({ period, jitterShare, catchUpSeconds }, looks) => {
        const timing = new IntervalTiming(period, at('00:00:00'));
        const fires = (due: Date) => fireTime('some id', due, Math.floor(period * jitterShare));
        let firstDue = timing.next(at('00:00:00'), 1)[0] as Date;
        let now = at('00:00:00');
        for (const seconds of looks) {
          now = new Date(now.getTime() + seconds * 1_000);
          if (fires(firstDue) > now) continue;
          const arrears = { timing, firstDue, catchUpSeconds, fireTime: fires };
          const { fire, missed, next, unrecorded } = settle(arrears, now);
          const settled = [...missed, ...(fire ? [fire] : [])];
          const all = [firstDue, ...timing.next(firstDue, 100)].filter((due) => due < (next as Date));
          expect(settled).toEqual(unrecorded ? all.slice(-settled.length) : all);
          expect(unrecorded).toBe(settled.length < all.length);
          for (const due of settled) expect(fires(due).getTime()).toBeLessThanOrEqual(now.getTime());
          expect(fires(next as Date).getTime()).toBeGreaterThan(now.getTime());
          firstDue = next as Date;
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('jitter', () => {
  it('is the same for the same due time, differs between due times and schedules, and stays below its length', () => {
    const dues = Array.from({ length: 1_000 }, (_, hour) => new Date(Date.UTC(2026, 0, 1, hour)));
    const delays = dues.map((due) => fireTime('a', due, 30).getTime() - due.getTime());
    expect(dues.map((due) => fireTime('a', due, 30).getTime() - due.getTime())).toEqual(delays);
    expect(Math.min(...delays)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...delays)).toBeLessThan(30_000);
    const mean = delays.reduce((sum, delay) => sum + delay, 0) / delays.length;
    expect(mean).toBeGreaterThan(13_000);
    expect(mean).toBeLessThan(17_000);
    expect(fireTime('b', dues[0] as Date, 30)).not.toEqual(fireTime('a', dues[0] as Date, 30));
  });
});
