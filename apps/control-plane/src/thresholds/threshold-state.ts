import type { ThresholdState } from '@synscope/api-contract';

/** What one minute says. `unknown`: it has too few records. */
export type MinuteVerdict = 'above' | 'below' | 'unknown';

export interface ThresholdStanding {
  readonly state: ThresholdState;
  readonly minutesAbove: number;
  readonly minutesUnknown: number;
  /** When the minute began that was evaluated last; null before the first. */
  readonly lastMinute: Date | null;
}

const MINUTE_MS = 60_000;

/**
 * Where a threshold stands after one more minute. It is exceeded by so many minutes above in a row: one that is below or says nothing, or that
 * nobody evaluated, breaks the row. It is over with the first minute below, or when as many minutes in a row say nothing.
 */
export function nextStanding(
  before: ThresholdStanding,
  verdict: MinuteVerdict,
  minute: Date,
  forMinutes: number,
): ThresholdStanding {
  const isNext = before.lastMinute !== null && minute.getTime() - before.lastMinute.getTime() === MINUTE_MS;
  const minutesAbove = verdict === 'above' ? (isNext ? before.minutesAbove : 0) + 1 : 0;
  const minutesUnknown = verdict === 'unknown' ? (isNext ? before.minutesUnknown : 0) + 1 : 0;
  const isOver = verdict === 'below' || minutesUnknown >= forMinutes;
  const isExceeded = before.state === 'exceeded' ? !isOver : minutesAbove >= forMinutes;
  return { state: isExceeded ? 'exceeded' : 'ok', minutesAbove, minutesUnknown, lastMinute: minute };
}
