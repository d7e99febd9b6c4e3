import { PROBE_NAMES, type ProbeName, type ProbeStats } from '@synscope/probe-wire';
import { LossCause } from '@synscope/protocol';
import type { LossEntry } from '../batch/loss.js';

/** By the names of the probe's counters; not every probe has each. */
const CAUSES = {
  ringFull: LossCause.RING_FULL,
  pendingTableFull: LossCause.PENDING_TABLE_FULL,
  unfinishedAtDetach: LossCause.UNFINISHED_AT_DETACH,
  tcpStream: LossCause.TCP_STREAM,
} as const;
type Cause = keyof typeof CAUSES;

const CAUSE_NAMES = Object.keys(CAUSES) as readonly Cause[];

interface Counters {
  lost: Readonly<Partial<Record<Cause, number>>>;
  emitted: number;
  received: number;
}

const noCounters = (): Counters => ({ lost: {}, emitted: 0, received: 0 });

/** Turns the cumulative counters of one run of the probe into loss. */
export class ProbeLoss {
  private readonly counters: Readonly<Record<ProbeName, Counters>> = {
    tcp_handshake: noCounters(),
    dns: noCounters(),
    listener: noCounters(),
    name_lookup: noCounters(),
  };
  private sinceUs: number;

  constructor(startedAtUs: number) {
    this.sinceUs = startedAtUs;
  }

  recordsReceived(probe: ProbeName, count: number): void {
    this.counters[probe].received += count;
  }

  /** What was lost since the stats before. */
  stats(stats: ProbeStats): LossEntry[] {
    const fromUs = this.sinceUs;
    const untilUs = Math.max(fromUs, Math.floor((stats.monotonicNs + stats.wallOffsetNs) / 1000));
    this.sinceUs = untilUs;
    return PROBE_NAMES.flatMap((probe) => {
      const counters = this.counters[probe];
      const before = counters.lost;
      const { loss: now, emitted }: { loss: Counters['lost']; emitted: number } = stats.probes[probe];
      counters.lost = now;
      counters.emitted = emitted;
      return CAUSE_NAMES.map((cause) => ({
        cause: CAUSES[cause],
        probe,
        records: (now[cause] ?? 0) - (before[cause] ?? 0),
        fromUs,
        untilUs,
      })).filter((entry) => entry.records > 0);
    });
  }

  /**
   * The probe ended: what its kernel programs had emitted beyond what arrived. Known only up to its last stats; what was emitted
   * later and died with it cannot be counted by anybody.
   */
  ended(nowUs: number): LossEntry[] {
    return PROBE_NAMES.map((probe) => ({
      cause: LossCause.PROBE_RESTART,
      probe,
      records: this.counters[probe].emitted - this.counters[probe].received,
      fromUs: this.sinceUs,
      untilUs: Math.max(this.sinceUs, nowUs),
    })).filter((entry) => entry.records > 0);
  }
}
