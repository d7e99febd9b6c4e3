export const MICROSECONDS_PER_MILLISECOND = 1_000;
export const MICROSECONDS_PER_SECOND = 1_000_000;

/** Milliseconds, possibly with decimals, to whole microseconds. */
export function millisecondsToMicroseconds(milliseconds: number): number {
  return Math.round(milliseconds * MICROSECONDS_PER_MILLISECOND);
}

/** For people: `850 µs`, `51.2 ms`, `3.01 s`. Three significant digits. */
export function formatLatency(microseconds: number): string {
  if (microseconds < MICROSECONDS_PER_MILLISECOND) return `${Math.round(microseconds)} µs`;
  if (microseconds < MICROSECONDS_PER_SECOND) {
    return `${threeDigits(microseconds / MICROSECONDS_PER_MILLISECOND)} ms`;
  }
  return `${threeDigits(microseconds / MICROSECONDS_PER_SECOND)} s`;
}

function threeDigits(value: number): string {
  return value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0);
}
