import { LossCause } from '@synscope/protocol';
import type { Clock, Timer } from '../clock.js';
import type { RecordFrame } from '../probe/record-frame.js';
import type { SessionSet } from '../sessions/session-set.js';
import type { BatchBuffer } from './batch-buffer.js';
import { encodeBatch } from './encode-batch.js';
import { type LossEntry, LossLedger } from './loss.js';
import { RecordColumns, type RecordContext } from './record-columns.js';

/** A batch is closed at this many records of all kinds, or this long after its first one. */
export const BATCH_MAX_RECORDS = 2000;
export const BATCH_MAX_WAIT_MS = 250;

/** Gathers records and loss into batches and hands each to the buffer. */
export class Batcher {
  private readonly columns: RecordColumns;
  private readonly loss = new LossLedger();
  private timer: Timer | undefined;

  constructor(
    private readonly buffer: BatchBuffer,
    private readonly clock: Clock,
    context: RecordContext,
    private readonly onBatch: () => void,
  ) {
    this.columns = new RecordColumns(BATCH_MAX_RECORDS, context);
  }

  /** Adds the current record of the frame's cursor. */
  append(frame: RecordFrame, sessions: SessionSet): void {
    this.columns.append(frame, sessions);
    if (this.columns.isFull) this.flush();
    else this.flushSoon();
  }

  addLoss(entry: LossEntry): void {
    this.loss.add(entry);
    if (!this.loss.isEmpty) this.flushSoon();
  }

  /** Closes the batch that is being gathered, if it holds anything. */
  flush(): void {
    this.timer?.cancel();
    this.timer = undefined;
    const { columns } = this;
    if (columns.isEmpty && this.loss.isEmpty) return;
    if (this.buffer.isFull) {
      this.giveUp();
      return;
    }
    const seq = this.buffer.nextSeq;
    const loss = this.loss.drain();
    this.buffer.append({
      seq,
      bytes: encodeBatch(seq, columns.all, loss),
      hasRecords: !columns.isEmpty,
      records: columns.ranges(),
      loss,
    });
    columns.clear();
    this.onBatch();
  }

  /** Keeps the buffer bounded even if all that it holds is loss: one entry grows here instead of one batch after the other there. */
  private giveUp(): void {
    for (const range of this.columns.ranges()) {
      this.loss.add({ cause: LossCause.AGENT_BUFFER_FULL, ...range });
    }
    this.columns.clear();
    this.flushSoon();
  }

  private flushSoon(): void {
    this.timer ??= this.clock.after(BATCH_MAX_WAIT_MS, () => {
      this.timer = undefined;
      this.flush();
    });
  }
}
