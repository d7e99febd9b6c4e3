/**
 * How long after a failed attempt the next one follows, in milliseconds: the schedule that https://www.standardwebhooks.com suggests.
 * Ten attempts over three days and three and a half hours.
 */
const DELAYS_MS = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400].map(
  (seconds) => seconds * 1_000,
);

export const MOST_ATTEMPTS = DELAYS_MS.length + 1;

/** Spreads what failed at the same moment: up to so much of the delay is added. */
const JITTER = 0.2;

/** A delivery is given up after so long, also if its webhook was held for most of the time: bots take no interest in old news. Seconds. */
export const LONGEST_ROUND_SECONDS = 4 * 86_400;

/** A wish by Retry-After beyond this is cut to it. Milliseconds. */
export const LONGEST_RETRY_AFTER_MS = 86_400_000;

/** A webhook that goes on failing gets one attempt at a time and a pause after each: a second, twice as long each time, a minute at most. */
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 60_000;

/** Null if the attempts are used up. `attemptsLeft` does not count the one that failed. `random` is from 0 to 1. */
export function retryDelayMs(
  attemptsLeft: number,
  retryAfterMs: number | null,
  random: number,
): number | null {
  if (attemptsLeft <= 0) return null;
  const delayMs = DELAYS_MS[Math.max(DELAYS_MS.length - attemptsLeft, 0)] ?? 0;
  return Math.max(Math.round(delayMs * (1 + JITTER * random)), retryAfterMs ?? 0);
}

/** How long to leave a webhook in peace after so many failures in a row, milliseconds. */
export function pauseMs(failures: number, retryAfterMs: number | null): number {
  const pause = Math.min(FIRST_PAUSE_MS * 2 ** Math.max(failures - 1, 0), LONGEST_PAUSE_MS);
  return Math.max(pause, retryAfterMs ?? 0);
}

/**
 * What a Retry-After header asks for, in milliseconds, cut to what is honoured; null without one that can be read. A date counts from the
 * answer's own Date, if it has one: the clocks of the two may differ.
 */
export function readRetryAfter(
  value: string | undefined,
  date: string | undefined,
  nowMs: number,
): number | null {
  const text = value?.trim() ?? '';
  if (/^\d{1,15}$/.test(text)) return Math.min(Number(text) * 1_000, LONGEST_RETRY_AFTER_MS);
  const untilMs = /GMT$/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(untilMs)) return null;
  const sentMs = Date.parse(date ?? '');
  const waitMs = untilMs - (Number.isNaN(sentMs) ? nowMs : sentMs);
  return Math.min(Math.max(waitMs, 0), LONGEST_RETRY_AFTER_MS);
}
