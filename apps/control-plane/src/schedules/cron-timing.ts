import { Cron } from 'croner';
import type { Timing } from './timing.js';

/** Due times looked at for the shortest period: two hours of a cron that is due every minute, ten years of one that is due once a month. */
const LOOKED_AT = 120;

/**
 * Due when the clock on the wall of a timezone shows what the cron says. At the changes of daylight saving time croner does as Vixie cron:
 *
 * - Fixed times (no `*` and no step in the seconds, minutes and hours, such as `30 2,14 * * *`): one that the clock jumps over is due when
 *   it has jumped; one that comes twice is due the first time only.
 * - All others, such as `0 * * * *`: a time that the clock jumps over is left out, one that comes twice is due twice.
 */
export class CronTiming implements Timing {
  private readonly cron: Cron;

  /** Throws an Error that says what is wrong with the text. */
  constructor(text: string, timezone: string) {
    // Without a function croner sets no timer; it only reckons.
    this.cron = new Cron(text, { timezone, mode: '5-or-6-parts', fixedTimeRule: 'no-wildcard' });
  }

  next(after: Date, count: number): readonly Date[] {
    return this.cron.nextRuns(count, after);
  }

  last(until: Date, count: number): readonly Date[] {
    // croner looks before the second of the reference.
    const reference = new Date(Math.floor(until.getTime() / 1_000) * 1_000 + 1_000);
    return this.cron.previousRuns(count, reference).reverse();
  }

  shortestPeriodSeconds(from: Date): number | null {
    const dues = this.next(from, LOOKED_AT);
    const periods = dues.slice(1).map((due, index) => due.getTime() - (dues[index]?.getTime() ?? 0));
    return periods.length === 0 ? null : Math.min(...periods) / 1_000;
  }
}
