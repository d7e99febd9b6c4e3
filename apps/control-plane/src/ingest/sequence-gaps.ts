import { observationOf, type PendingBatch } from './pending-batch.js';

/** The highest batch of a boot that is stored, and the time up to which its records reach. */
export interface HighestBatch {
  readonly seq: number;
  readonly observedUntilUs: number;
}

/** Batches that have not come although later ones did. Both ends included. */
export interface SequenceGap {
  readonly firstSeq: number;
  readonly lastSeq: number;
  readonly fromUs: number;
  readonly untilUs: number;
}

export interface SequenceFindings {
  readonly gaps: readonly SequenceGap[];
  /** Came after later ones had: they fill a gap that was recorded. */
  readonly late: readonly number[];
}

/** What the new batches of one boot, in ascending order, mean for its sequence. Batches count from 1. */
export function findSequenceGaps(
  highest: HighestBatch | null,
  fresh: readonly PendingBatch[],
): SequenceFindings {
  const gaps: SequenceGap[] = [];
  const late: number[] = [];
  let previous = highest ?? { seq: 0, observedUntilUs: Number.NaN };
  for (const batch of fresh) {
    const { seq } = batch;
    if (seq < previous.seq) {
      late.push(seq);
      continue;
    }
    const observed = observationOf(batch);
    const startsUs = observed?.firstUs ?? batch.receivedAtMs * 1_000;
    if (seq > previous.seq + 1) {
      // Nothing tells when the first batches of a boot were observed, other than before this one.
      const endedUs = Number.isNaN(previous.observedUntilUs) ? startsUs : previous.observedUntilUs;
      gaps.push({
        firstSeq: previous.seq + 1,
        lastSeq: seq - 1,
        fromUs: Math.min(endedUs, startsUs),
        untilUs: Math.max(endedUs, startsUs),
      });
    }
    previous = { seq, observedUntilUs: observed?.lastUs ?? batch.receivedAtMs * 1_000 };
  }
  return { gaps, late };
}
