/** When a schedule is due. Due times are whole seconds. */
export interface Timing {
  /** The first `count` due times after a moment, in order; fewer if there are no more. */
  next(after: Date, count: number): readonly Date[];
  /** The last `count` due times up to a moment, in order. */
  last(until: Date, count: number): readonly Date[];
  /** The shortest time between two due times, in seconds, as far ahead as is worth looking; null if there are no two. */
  shortestPeriodSeconds(from: Date): number | null;
}
