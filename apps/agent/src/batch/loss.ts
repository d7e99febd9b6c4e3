import { create } from '@bufbuild/protobuf';
import { type ProbeName, ProbeNumber } from '@synscope/probe-wire';
import { type Loss, type LossCause, LossSchema } from '@synscope/protocol';

/** Records of one probe, and when they were observed; microseconds since the Unix epoch. */
export interface RecordRange {
  readonly probe: ProbeName;
  readonly records: number;
  readonly fromUs: number;
  readonly untilUs: number;
}

/** Records that were offered but will never arrive. */
export interface LossEntry extends RecordRange {
  readonly cause: LossCause;
}

/** Loss that waits for the next batch: one entry per probe and cause, over the whole interval that it covers. */
export class LossLedger {
  private readonly entries = new Map<string, LossEntry>();

  get isEmpty(): boolean {
    return this.entries.size === 0;
  }

  add(entry: LossEntry): void {
    if (entry.records < 1) return;
    const key = `${entry.probe}:${entry.cause}`;
    const held = this.entries.get(key);
    this.entries.set(key, held === undefined ? entry : merged(held, entry));
  }

  drain(): LossEntry[] {
    const drained = [...this.entries.values()];
    this.entries.clear();
    return drained;
  }
}

/** One entry per probe and cause. */
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
    probe: ProbeNumber[entry.probe],
  });
}

function merged(a: LossEntry, b: LossEntry): LossEntry {
  return {
    cause: a.cause,
    probe: a.probe,
    records: a.records + b.records,
    fromUs: Math.min(a.fromUs, b.fromUs),
    untilUs: Math.max(a.untilUs, b.untilUs),
  };
}
