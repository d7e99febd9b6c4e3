import type { MessageInitShape } from '@bufbuild/protobuf';
import type { LossCause, LossSchema, Probe } from '@synscope/protocol';

export interface LossReport {
  readonly cause: LossCause;
  /** Not sent if left out, which means tcp_handshake. */
  readonly probe?: Probe;
  readonly records: number;
  readonly fromUs: number;
  readonly untilUs: number;
}

export function lossEntries(loss: readonly LossReport[]): MessageInitShape<typeof LossSchema>[] {
  return loss.map(({ cause, probe, records, fromUs, untilUs }) => ({
    cause,
    ...(probe !== undefined && { probe }),
    records: BigInt(records),
    fromUs: BigInt(fromUs),
    untilUs: BigInt(untilUs),
  }));
}
