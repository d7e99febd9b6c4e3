export interface TimeSlice {
  readonly sinceUs: number;
  readonly untilUs: number;
}

/** A busy fleet has thousands of records in it, and looking at it costs about a millisecond. */
const FIRST_SLICE_US = 125_000;
/** From the first slice to an hour in eight steps. */
const GROWTH = 4;

/**
 * Cuts a window, from its end to its start, into slices that grow: whoever wants the newest few of many records finds them in the first
 * slices, and whoever looks for something rare has read the whole window after a few. What lies in the future (hosts whose clock is ahead
 * of ours) is a slice of its own, so that the growth starts at the present.
 */
export function* timeSlices(
  sinceUs: number,
  untilUs: number,
  nowUs: number,
): Generator<TimeSlice, void, undefined> {
  let end = untilUs;
  if (end > nowUs && sinceUs < end) {
    const start = Math.max(sinceUs, Math.floor(nowUs));
    yield { sinceUs: start, untilUs: end };
    end = start;
  }
  for (let length = FIRST_SLICE_US; end > sinceUs; length *= GROWTH) {
    const start = Math.max(sinceUs, end - length);
    yield { sinceUs: start, untilUs: end };
    end = start;
  }
}
