import type { LossEntry, RecordRange } from './loss.js';

/** A batch as it is sent: an encoded ConnectRequest. */
export interface OutgoingBatch {
  readonly seq: number;
  readonly bytes: Buffer;
}

/** A batch as it is kept, with what is needed to say what was lost if it cannot be kept. */
export interface BufferedBatch extends OutgoingBatch {
  /** Whether it holds records of any kind, counted or not. */
  readonly hasRecords: boolean;
  /** Those that are lost and counted if they are given up, by probe. */
  readonly records: readonly RecordRange[];
  /** The loss that it carries. */
  readonly loss: readonly LossEntry[];
}

/**
 * Holds every batch until the control plane has acknowledged it. Batches go out in the order of their seq; after the stream broke,
 * `rewind` makes all that are unacknowledged go out again. A buffer has a cap: over it, the records of the oldest batches that are not on
 * their way are given up; their seq then stands for a batch that carries only the loss, so that no gap appears.
 */
export interface BatchBuffer {
  /** The next batch must have this seq; from 1, without gaps. */
  readonly nextSeq: number;
  /** Every batch up to this seq is acknowledged. */
  readonly acknowledgedThrough: number;
  readonly bytes: number;
  /** Nothing is left to give up: a batch should wait, and its records be counted as lost meanwhile. */
  readonly isFull: boolean;
  /** Records given up so far. */
  readonly evictedRecords: number;
  append(batch: BufferedBatch): void;
  /** The next batch to send, which is then on its way; undefined if there is none. */
  take(): OutgoingBatch | undefined;
  acknowledge(seq: number): void;
  rewind(): void;
  /** Gives up the records of this batch, which is then sent as loss alone. */
  giveUp(seq: number): void;
}
