import { create } from '@bufbuild/protobuf';
import { PROBE_NAMES, type ProbeName, ProbeNumber } from '@synscope/probe-wire';
import {
  type DesiredSession,
  ProbeRecordCountSchema,
  SessionState,
  type SessionStatus,
  SessionStatusSchema,
} from '@synscope/protocol';
import type { Timer } from '../clock.js';

/** The control plane refuses longer ones. */
const ERROR_MAX_CHARACTERS = 1000;

/** Where one session stands on this host. */
export type SessionPhase =
  /** It has a slot; the probe has not confirmed it yet. `reason`: why it waits, if that is worth saying. */
  | { readonly kind: 'pending'; readonly slot: number; readonly reason: string }
  /** `missing`: what of it the probe could not attach, if anything. */
  | {
      readonly kind: 'running';
      readonly slot: number;
      readonly hooks: readonly string[];
      readonly missing: string;
    }
  /** The lease ran out; it goes on if the control plane comes back and still desires it. */
  | { readonly kind: 'suspended' }
  /** Taken off the probe, which has not confirmed it yet: records may still come. */
  | { readonly kind: 'ending' }
  /** No record comes any more; its last ones, up to this batch, are not acknowledged yet. */
  | { readonly kind: 'draining'; readonly throughSeq: number; readonly giveUp: Timer }
  | { readonly kind: 'done' }
  | { readonly kind: 'failed'; readonly error: string };

/** A session that the control plane desires, or desired a moment ago. */
export class Session {
  private readonly recordCounts: Record<ProbeName, number> = {
    tcp_handshake: 0,
    dns: 0,
    listener: 0,
    name_lookup: 0,
  };
  /** recordCount in its last report. */
  reportedRecordCount = 0;
  /** False once max_records is reached: what still comes is lost, and counted. */
  accepting = true;
  /** False once it vanished from the desired list: forgotten as soon as its end is reported. */
  desired = true;
  endTimer: Timer | undefined;
  /** When it first got a slot, by the monotonic clock; milliseconds. */
  startedAtMs: number | undefined;
  /** Why it ends before it was to end; empty if it does not. */
  cut = '';
  readonly id: Buffer;
  readonly key: string;

  constructor(
    public spec: DesiredSession,
    public phase: SessionPhase,
  ) {
    // A copy: the spec's id is a view into the whole message.
    this.id = Buffer.from(spec.sessionId);
    this.key = sessionKey(spec.sessionId);
  }

  /** Of all probes. */
  get recordCount(): number {
    const { tcp_handshake, dns, listener, name_lookup } = this.recordCounts;
    return tcp_handshake + dns + listener + name_lookup;
  }

  count(probe: ProbeName): void {
    this.recordCounts[probe]++;
  }

  /** The slot that it holds on the probe, if any. */
  get slot(): number | undefined {
    return this.phase.kind === 'pending' || this.phase.kind === 'running' ? this.phase.slot : undefined;
  }

  status(revision: bigint): SessionStatus {
    return create(SessionStatusSchema, {
      sessionId: this.id,
      state: STATES[this.phase.kind],
      revision,
      error: [errorOf(this.phase), this.cut]
        .filter((text) => text !== '')
        .join('; ')
        .slice(0, ERROR_MAX_CHARACTERS),
      hooks: this.phase.kind === 'running' ? [...this.phase.hooks] : [],
      recordCount: BigInt(this.recordCount),
      recordCounts: PROBE_NAMES.filter((name) => this.spec.probes.includes(ProbeNumber[name])).map((name) =>
        create(ProbeRecordCountSchema, {
          probe: ProbeNumber[name],
          records: BigInt(this.recordCounts[name]),
        }),
      ),
    });
  }
}

/** A session whose last records are still on their way is reported as running: DONE promises that they are stored. */
const STATES: Readonly<Record<SessionPhase['kind'], SessionState>> = {
  pending: SessionState.PENDING,
  running: SessionState.RUNNING,
  suspended: SessionState.PENDING,
  ending: SessionState.RUNNING,
  draining: SessionState.RUNNING,
  done: SessionState.DONE,
  failed: SessionState.FAILED,
};

function errorOf(phase: SessionPhase): string {
  switch (phase.kind) {
    case 'failed':
      return phase.error;
    case 'pending':
      return phase.reason;
    case 'running':
      return phase.missing;
    default:
      return '';
  }
}

export function sessionKey(id: Uint8Array): string {
  return Buffer.from(id.buffer, id.byteOffset, id.byteLength).toString('hex');
}
