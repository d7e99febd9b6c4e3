import type { ProbeStats } from '@synscope/probe-wire';
import { LossCause } from '@synscope/protocol';
import type { LossEntry } from '../batch/loss.js';

const CAUSES = {
  ringFull: LossCause.RING_FULL,
  pendingTableFull: LossCause.PENDING_TABLE_FULL,
  unfinishedAtDetach: LossCause.UNFINISHED_AT_DETACH,
} as const satisfies Record<keyof ProbeStats['loss'], LossCause>;

const NOTHING_LOST: ProbeStats['loss'] = {
  ringFull: 0,
  pendingTableFull: 0,
  unfinishedAtDetach: 0,
};

/** Turns the cumulative counters of one run of the probe into loss. */
export class ProbeLoss {
  private lost = NOTHING_LOST;
  private emitted = 0;
  private received = 0;
  private sinceUs: number;

  constructor(startedAtUs: number) {
    this.sinceUs = startedAtUs;
  }

  recordsReceived(count: number): void {
    this.received += count;
  }

  /** What was lost since the stats before. */
  stats(stats: ProbeStats): LossEntry[] {
    const untilUs = Math.max(this.sinceUs, Math.floor((stats.monotonicNs + stats.wallOffsetNs) / 1000));
    const entries = (Object.keys(CAUSES) as (keyof ProbeStats['loss'])[]).map((kind) => ({
      cause: CAUSES[kind],
      records: stats.loss[kind] - this.lost[kind],
      fromUs: this.sinceUs,
      untilUs,
    }));
    this.lost = stats.loss;
    this.emitted = stats.emitted;
    this.sinceUs = untilUs;
    return entries.filter((entry) => entry.records > 0);
  }

  /**
   * The probe ended: what its kernel programs had emitted beyond what arrived. Known only up to its last stats; what was emitted
   * later and died with it cannot be counted by anybody.
   */
  ended(nowUs: number): LossEntry[] {
    const records = this.emitted - this.received;
    if (records <= 0) return [];
    return [
      {
        cause: LossCause.PROBE_RESTART,
        records,
        fromUs: this.sinceUs,
        untilUs: Math.max(this.sinceUs, nowUs),
      },
    ];
  }
}
