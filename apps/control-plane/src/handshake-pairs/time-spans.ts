/** Microseconds since the Unix epoch, the end not included. */
export interface TimeSpan {
  readonly sinceUs: number;
  readonly untilUs: number;
}

/** More of them would make a statement slow to plan. */
const MOST_SPANS = 64;
/** Reading this much more costs less than another span. */
const SMALLEST_GAP_US = 1_000_000;

/** The same moments, in ascending order and without overlaps; what lies close together is one, closer the more there are. */
export function mergeSpans(spans: readonly TimeSpan[]): TimeSpan[] {
  const ascending = spans.toSorted((left, right) => left.sinceUs - right.sinceUs);
  for (let gapUs = SMALLEST_GAP_US; ; gapUs *= 2) {
    const merged: { sinceUs: number; untilUs: number }[] = [];
    for (const { sinceUs, untilUs } of ascending) {
      const last = merged.at(-1);
      if (last && sinceUs <= last.untilUs + gapUs) last.untilUs = Math.max(last.untilUs, untilUs);
      else merged.push({ sinceUs, untilUs });
    }
    if (merged.length <= MOST_SPANS) return merged;
  }
}

/** Longer by this at both ends. */
export function widen({ sinceUs, untilUs }: TimeSpan, byUs: number): TimeSpan {
  return { sinceUs: sinceUs - byUs, untilUs: untilUs + byUs };
}

/** Pieces of at most this length, of which each repeats the end of the one before: two moments that are no further apart share one. */
export function cut(span: TimeSpan, lengthUs: number, overlapUs: number): TimeSpan[] {
  const pieces: TimeSpan[] = [];
  for (let sinceUs = span.sinceUs; ; sinceUs += lengthUs - overlapUs) {
    const untilUs = Math.min(sinceUs + lengthUs, span.untilUs);
    pieces.push({ sinceUs, untilUs });
    if (untilUs >= span.untilUs) return pieces;
  }
}

/** The hours since the Unix epoch that the spans touch. */
export function hoursOf(spans: readonly TimeSpan[]): number[] {
  const hours = new Set<number>();
  for (const { sinceUs, untilUs } of spans) {
    for (let hour = hourAt(sinceUs); hour <= hourAt(untilUs); hour++) hours.add(hour);
  }
  return [...hours];
}

const MICROSECONDS_PER_HOUR = 3_600_000_000;

function hourAt(microseconds: number): number {
  return Math.floor(microseconds / MICROSECONDS_PER_HOUR);
}
