import { create } from '@bufbuild/protobuf';
import { ClockFilter, type ClockOffset, ClockOffsetSchema, type HeartbeatAnswer } from '@synscope/protocol';
import type { Clock } from '../clock.js';

/** Heartbeats whose answers are awaited: more are never on their way in health. */
const OUTSTANDING_MAX = 8;

/**
 * How far this host's clock is from the control plane's, from the round trips of heartbeats. Round trips are timed by the monotonic clock, so that a
 * wall clock that is set shows in the next estimate and spoils no sample.
 */
export class ClockOffsetEstimator {
  private readonly filter = new ClockFilter();
  /** When each was sent by the monotonic clock, by what it says of the wall clock. */
  private readonly sentAt = new Map<bigint, number>();

  constructor(private readonly clock: Clock) {}

  /** A heartbeat is sent: its `sent_at_us`. */
  sent(): bigint {
    const atUs = this.monotonicUs();
    const sentAtUs = BigInt(Math.floor(this.clock.wallLessMonotonic().us + atUs));
    this.sentAt.set(sentAtUs, atUs);
    const [oldest] = this.sentAt.keys();
    if (this.sentAt.size > OUTSTANDING_MAX && oldest !== undefined) this.sentAt.delete(oldest);
    return sentAtUs;
  }

  answered(answer: HeartbeatAnswer): void {
    const heardUs = this.monotonicUs();
    const sentUs = this.sentAt.get(answer.sentAtUs);
    if (sentUs === undefined) return;
    this.sentAt.delete(answer.sentAtUs);
    this.filter.add({
      sentUs,
      receivedUs: Number(answer.receivedAtUs),
      answeredUs: Number(answer.answeredAtUs),
      heardUs,
      uncertaintyUs: Number(answer.uncertaintyUs),
    });
  }

  /** Undefined before the first answer. */
  estimate(): ClockOffset | undefined {
    const theirs = this.filter.at(this.monotonicUs());
    if (theirs === null) return undefined;
    const ours = this.clock.wallLessMonotonic();
    return create(ClockOffsetSchema, {
      offsetUs: BigInt(Math.round(ours.us - theirs.differenceUs)),
      uncertaintyUs: BigInt(Math.ceil(theirs.uncertaintyUs + ours.uncertaintyUs)),
    });
  }

  private monotonicUs(): number {
    return this.clock.monotonicMs() * 1000;
  }
}
