import { create } from '@bufbuild/protobuf';
import { type Loss, type LossCause, LossSchema } from '@synscope/protocol';

/** Records that were offered but will never arrive, and when; microseconds since the Unix epoch. */
export interface LossEntry {
  readonly cause: LossCause;
  readonly records: number;
  readonly fromUs: number;
  readonly untilUs: number;
}

/** Loss that waits for the next batch: one entry per cause, over the whole interval that it covers. */
export class LossLedger {
  private readonly entries = new Map<LossCause, LossEntry>();

  get isEmpty(): boolean {
    return this.entries.size === 0;
  }

  add(entry: LossEntry): void {
    if (entry.records < 1) return;
    const held = this.entries.get(entry.cause);
    this.entries.set(entry.cause, held === undefined ? entry : merged(held, entry));
  }

  drain(): LossEntry[] {
    const drained = [...this.entries.values()];
    this.entries.clear();
    return drained;
  }
}

/** One entry per cause. */
export function mergedLoss(entries: readonly LossEntry[]): LossEntry[] {
  const ledger = new LossLedger();
  for (const entry of entries) ledger.add(entry);
  return ledger.drain();
}

export function toProtocolLoss(entry: LossEntry): Loss {
  return create(LossSchema, {
    cause: entry.cause,
    records: BigInt(entry.records),
    fromUs: BigInt(Math.floor(entry.fromUs)),
    untilUs: BigInt(Math.floor(entry.untilUs)),
  });
}

function merged(a: LossEntry, b: LossEntry): LossEntry {
  return {
    cause: a.cause,
    records: a.records + b.records,
    fromUs: Math.min(a.fromUs, b.fromUs),
    untilUs: Math.max(a.untilUs, b.untilUs),
  };
}
