import { LossCause } from '@synscope/protocol';
import type { BatchBuffer, BufferedBatch, OutgoingBatch } from './batch-buffer.js';
import { encodeBatch } from './encode-batch.js';
import { mergedLoss } from './loss.js';

/** What a held batch costs besides its bytes: the object, its loss entries, its place in the map. Estimated, bytes. */
const ENTRY_OVERHEAD = 512;

/** Keeps batches in memory; what was not sent when the agent ends is gone. */
export class MemoryBatchBuffer implements BatchBuffer {
  nextSeq = 1;
  bytes = 0;
  evictedRecords = 0;

  /** By seq, oldest first. */
  private readonly held = new Map<number, BufferedBatch>();
  /** Everything up to this seq was handed out since the last rewind. */
  private takenThrough = 0;
  /** No batch up to this seq has records left to give up, unless it is on its way. */
  private evictedThrough = 0;

  constructor(private readonly capBytes: number) {}

  get acknowledgedThrough(): number {
    const oldest = this.held.keys().next();
    return oldest.done ? this.nextSeq - 1 : oldest.value - 1;
  }

  get isFull(): boolean {
    return this.bytes > this.capBytes;
  }

  append(batch: BufferedBatch): void {
    if (batch.seq !== this.nextSeq) throw new RangeError(`batch ${batch.seq} where ${this.nextSeq} is due`);
    this.nextSeq++;
    this.held.set(batch.seq, batch);
    this.bytes += cost(batch);
    this.evict();
  }

  take(): OutgoingBatch | undefined {
    for (let seq = Math.max(this.takenThrough, this.acknowledgedThrough) + 1; seq < this.nextSeq; seq++) {
      const batch = this.held.get(seq);
      if (batch === undefined) continue;
      this.takenThrough = seq;
      return batch;
    }
    return undefined;
  }

  acknowledge(seq: number): void {
    const batch = this.held.get(seq);
    if (batch === undefined) return;
    this.held.delete(seq);
    this.bytes -= cost(batch);
  }

  rewind(): void {
    this.takenThrough = 0;
    this.evictedThrough = 0;
  }

  giveUp(seq: number): void {
    const batch = this.held.get(seq);
    if (batch?.hasRecords === true) this.held.set(seq, this.withoutRecords(batch));
  }

  private evict(): void {
    if (!this.isFull) return;
    const first = Math.max(this.takenThrough, this.evictedThrough, this.acknowledgedThrough) + 1;
    for (let seq = first; seq < this.nextSeq && this.isFull; seq++) {
      this.evictedThrough = seq;
      this.giveUp(seq);
    }
  }

  private withoutRecords(batch: BufferedBatch): BufferedBatch {
    const loss = mergedLoss([
      ...batch.loss,
      ...batch.records.map((range) => ({ cause: LossCause.AGENT_BUFFER_FULL, ...range })),
    ]);
    const bytes = encodeBatch(batch.seq, [], loss);
    const replacement = { seq: batch.seq, bytes, hasRecords: false, records: [], loss };
    for (const { records } of batch.records) this.evictedRecords += records;
    this.bytes += cost(replacement) - cost(batch);
    return replacement;
  }
}

function cost(batch: BufferedBatch): number {
  return batch.bytes.length + ENTRY_OVERHEAD;
}
