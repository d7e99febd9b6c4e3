import type { ReportedLoss } from './batch-reader.js';
import type { HandshakeRows } from './handshake-rows.js';

/** A batch that passed every check and waits for its commit. */
export interface PendingBatch {
  /** Of agent, boot and seq: equal for two copies of one batch. */
  readonly key: string;
  readonly agentId: string;
  readonly bootId: string;
  readonly seq: number;
  /** Null when the batch carries loss only. */
  readonly rows: HandshakeRows | null;
  readonly loss: readonly ReportedLoss[];
  readonly receivedAtMs: number;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** What a batch costs beside its rows: the objects and the promise, in bytes. */
const OVERHEAD_BYTES = 1_024;

export function memoryOf(batch: PendingBatch): number {
  return OVERHEAD_BYTES + (batch.rows?.bytes.length ?? 0);
}
