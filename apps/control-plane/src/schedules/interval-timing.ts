import type { Timing } from './timing.js';

/** Due every so many seconds after the anchor: elapsed time, whatever the clocks on the wall do. */
export class IntervalTiming implements Timing {
  private readonly periodMs: number;
  private readonly anchorMs: number;

  constructor(everySeconds: number, anchor: Date) {
    this.periodMs = everySeconds * 1_000;
    this.anchorMs = anchor.getTime();
  }

  next(after: Date, count: number): readonly Date[] {
    const first = Math.max(1, this.periodsAt(after) + 1);
    return Array.from({ length: count }, (_, index) => this.due(first + index));
  }

  last(until: Date, count: number): readonly Date[] {
    const last = this.periodsAt(until);
    const length = Math.max(0, Math.min(count, last));
    return Array.from({ length }, (_, index) => this.due(last - length + 1 + index));
  }

  shortestPeriodSeconds(): number {
    return this.periodMs / 1_000;
  }

  private periodsAt(moment: Date): number {
    return Math.floor((moment.getTime() - this.anchorMs) / this.periodMs);
  }

  private due(period: number): Date {
    return new Date(this.anchorMs + period * this.periodMs);
  }
}
