import { memoryOf, type PendingBatch, rowCountOf } from './pending-batch.js';

export interface BatchGroup {
  readonly batches: readonly PendingBatch[];
  readonly agentIds: ReadonlySet<string>;
}

/**
 * Batches that wait for a transaction, in their order per agent. An agent whose batches are being written is skipped until they are:
 * so its batches are committed in order, and no gap is seen where two connections merely overtook each other. Agents take turns.
 */
export class BatchQueue {
  readonly #waiting = new Map<string, PendingBatch[]>();
  readonly #busy = new Set<string>();
  #rows = 0;
  #batches = 0;
  /** Of waiting batches and of those being written. */
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  /** Rows that wait, not counting what is being written. */
  get rows(): number {
    return this.#rows;
  }

  get batches(): number {
    return this.#batches;
  }

  get isIdle(): boolean {
    return this.#batches === 0 && this.#busy.size === 0;
  }

  add(batch: PendingBatch): void {
    const waiting = this.#waiting.get(batch.agentId);
    if (waiting) waiting.push(batch);
    else this.#waiting.set(batch.agentId, [batch]);
    this.#count(batch, 1);
    this.#bytes += memoryOf(batch);
  }

  /** The next batches to write together, about `targetRows` of them; null if no agent that is not busy has any. */
  take(targetRows: number): BatchGroup | null {
    const batches: PendingBatch[] = [];
    const agentIds = new Set<string>();
    let rows = 0;
    for (const [agentId, waiting] of this.#waiting) {
      if (rows >= targetRows) break;
      if (this.#busy.has(agentId)) continue;
      let taken = 0;
      while (taken < waiting.length && rows < targetRows) {
        const batch = waiting[taken++] as PendingBatch;
        batches.push(batch);
        rows += rowCountOf(batch);
        this.#count(batch, -1);
      }
      agentIds.add(agentId);
      // Whoever has more to give queues up behind the others.
      this.#waiting.delete(agentId);
      if (taken < waiting.length) this.#waiting.set(agentId, waiting.slice(taken));
    }
    if (batches.length === 0) return null;
    for (const agentId of agentIds) this.#busy.add(agentId);
    return { batches, agentIds };
  }

  /** The group is written, or will never be. */
  release(group: BatchGroup): void {
    for (const agentId of group.agentIds) this.#busy.delete(agentId);
    for (const batch of group.batches) this.#bytes -= memoryOf(batch);
  }

  /** Takes out everything that waits. */
  clear(): PendingBatch[] {
    const batches = [...this.#waiting.values()].flat();
    this.#waiting.clear();
    for (const batch of batches) {
      this.#count(batch, -1);
      this.#bytes -= memoryOf(batch);
    }
    return batches;
  }

  #count(batch: PendingBatch, sign: 1 | -1): void {
    this.#rows += sign * rowCountOf(batch);
    this.#batches += sign;
  }
}
