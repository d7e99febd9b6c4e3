import type { ReportedLoss } from './reported-loss.js';
import type { TableRows } from './row-writer.js';

/** A batch that passed every check and waits for its commit. */
export interface PendingBatch {
  /** Of agent, boot and seq: equal for two copies of one batch. */
  readonly key: string;
  readonly agentId: string;
  readonly bootId: string;
  readonly seq: number;
  /** By table. Empty when the batch carries loss only. */
  readonly rows: readonly TableRows[];
  readonly loss: readonly ReportedLoss[];
  readonly receivedAtMs: number;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** What a batch costs beside its rows: the objects and the promise, in bytes. */
const OVERHEAD_BYTES = 1_024;

export function memoryOf({ rows }: PendingBatch): number {
  return rows.reduce((sum, { bytes }) => sum + bytes.length, OVERHEAD_BYTES);
}

export function rowCountOf({ rows }: PendingBatch): number {
  return rows.reduce((sum, { count }) => sum + count, 0);
}

/** When the records of a batch were observed, microseconds since the Unix epoch; null if it has none. */
export function observationOf({ rows }: PendingBatch): { firstUs: number; lastUs: number } | null {
  if (rows.length === 0) return null;
  return {
    firstUs: Math.min(...rows.map(({ firstObservedAtUs }) => firstObservedAtUs)),
    lastUs: Math.max(...rows.map(({ lastObservedAtUs }) => lastObservedAtUs)),
  };
}
