import { create, equals } from '@bufbuild/protobuf';
import { type ProbeConfigured, type ProbeName, SLOT_COUNT, type SlotSpec } from '@synscope/probe-wire';
import {
  type DesiredSession,
  type DesiredSessions,
  SessionFilterSchema,
  SessionState,
  type SessionStatus,
} from '@synscope/protocol';
import type { Clock } from '../clock.js';
import type { Log } from '../log.js';
import type { NamePolicy } from '../names/name-policy.js';
import { type HostPolicy, hostPolicyRefusal } from '../policy/host-policy.js';
import { attachmentOf } from './attachment.js';
import { RecordRouter, type SlotBits, type Unrouted } from './record-router.js';
import { Session, type SessionPhase, sessionKey } from './session.js';
import type { SessionSet } from './session-set.js';
import { SlotRotation } from './slot-rotation.js';
import { refusalOf, slotSpecOf } from './slot-spec.js';

/** What the table needs of its surroundings. */
export interface SessionSurroundings {
  /** Hands the probe its whole configuration. Called only while the probe is up. */
  configure(revision: number, slots: readonly SlotSpec[]): void;
  report(status: SessionStatus): void;
  /** Closes the batch that is being gathered; the seq of the last batch. */
  flush(): number;
  /** What the host lets the control plane have, as it is now. */
  hostPolicy(): HostPolicy;
  /** Every batch up to this one is stored. */
  acknowledgedThrough(): number;
}

const EMPTY_FILTER = create(SessionFilterSchema);

/** How long DONE waits for the acknowledgement of the session's last records, milliseconds. */
const DRAIN_MAX_MS = 5_000;

/** Milliseconds. */
const CUT_TOLERANCE_MS = 1_000;

/** A configuration whose answer is awaited. `dirty`: what is desired has changed since. */
interface Outstanding {
  readonly revision: number;
  readonly included: ReadonlySet<Session>;
  dirty: boolean;
}

type ProbeState =
  | { readonly kind: 'starting' }
  | { readonly kind: 'up'; outstanding: Outstanding | undefined }
  /** It cannot run; sessions fail with this text. */
  | { readonly kind: 'unavailable'; readonly reason: string };

/**
 * Brings what runs on the probe into line with what the control plane desires. Desired sessions get one of 64 slots; the probe gets
 * its whole configuration at each change, one at a time; a session runs when the probe has confirmed the configuration with it.
 */
export class SessionTable {
  private readonly sessions = new Map<string, Session>();
  private readonly router = new RecordRouter((session) => this.capReached(session));
  private desiredRevision = 0n;
  private probe: ProbeState = { kind: 'starting' };
  private probeRevision = 0;
  private readonly slots = new SlotRotation();
  /** The control plane's clock minus ours: microseconds at monotonic zero. */
  private serverEpochUs: number;

  constructor(
    private readonly surroundings: SessionSurroundings,
    private readonly names: NamePolicy,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {
    this.serverEpochUs = clock.wallUs() - clock.monotonicMs() * 1000;
  }

  /** The sessions of a record, for each of which it is counted as one of `probe`, if that is given. */
  route(record: SlotBits, probe: ProbeName | undefined): SessionSet | Unrouted {
    return this.router.route(record, probe);
  }

  /** Every session held, for Hello. */
  statuses(): SessionStatus[] {
    return [...this.sessions.values()].map((session) => session.status(this.desiredRevision));
  }

  /** For those who watch a session while it runs: what it has recorded since its last report. */
  reportNewRecords(): void {
    for (const session of this.sessions.values()) {
      if (session.recordCount !== session.reportedRecordCount) this.report(session);
    }
  }

  get runningCount(): number {
    return this.active().length;
  }

  /** A new stream: its first DesiredSessions counts whatever its revision, and ends_at is by this clock. */
  connected(serverTimeUs: number): void {
    this.desiredRevision = 0n;
    this.serverEpochUs = serverTimeUs - this.clock.monotonicMs() * 1000;
  }

  apply(desired: DesiredSessions): void {
    if (desired.revision < this.desiredRevision) return;
    this.desiredRevision = desired.revision;
    const listed = new Set(desired.sessions.map((spec) => sessionKey(spec.sessionId)));
    let changed = false;
    for (const session of [...this.sessions.values()]) {
      if (listed.has(session.key)) continue;
      session.desired = false;
      changed = this.end(session) || changed;
    }
    for (const spec of desired.sessions) changed = this.want(spec) || changed;
    if (changed) this.configure();
  }

  /** The lease ran out: nothing is traced until the control plane is back. */
  suspendAll(): void {
    let changed = false;
    for (const session of this.sessions.values()) {
      if (session.slot === undefined) continue;
      session.endTimer?.cancel();
      session.phase = { kind: 'suspended' };
      changed = true;
    }
    if (changed) this.configure();
  }

  /** The policy of the host has changed: what it no longer allows ends. */
  policyChanged(): void {
    let changed = false;
    for (const session of this.active()) {
      const refusal = this.refusal(session, session.slot as number);
      if (refusal === undefined) {
        this.armEnd(session);
        continue;
      }
      this.fail(session, refusal);
      changed = true;
    }
    if (changed) this.configure();
  }

  probeUp(): void {
    this.probe = { kind: 'up', outstanding: undefined };
    if (this.runningCount > 0) this.configure();
  }

  /** The probe ended and will be started again. */
  probeDown(reason: string): void {
    this.probe = { kind: 'starting' };
    for (const session of this.sessions.values()) {
      if (session.phase.kind === 'running') {
        this.enter(session, { kind: 'pending', slot: session.phase.slot, reason });
      }
    }
    this.finishEnding();
  }

  /** The probe cannot run on this host as things are. */
  probeUnavailable(reason: string): void {
    this.probe = { kind: 'unavailable', reason };
    for (const session of this.sessions.values()) {
      if (session.slot !== undefined) this.fail(session, reason);
    }
    this.finishEnding();
  }

  configured(answer: ProbeConfigured): void {
    if (this.probe.kind !== 'up' || this.probe.outstanding?.revision !== answer.revision) return;
    const { dirty, included } = this.probe.outstanding;
    this.probe.outstanding = undefined;
    this.router.confirmed(answer.revision);
    this.logErrors(answer);
    let freed = false;
    for (const session of included) freed = this.confirm(session, answer) || freed;
    this.finishEnding(included);
    if (dirty || freed) this.configure();
  }

  /** Some batch was acknowledged. */
  acknowledged(): void {
    const through = this.surroundings.acknowledgedThrough();
    for (const session of this.sessions.values()) {
      if (session.phase.kind === 'draining' && session.phase.throughSeq <= through) this.finish(session);
    }
  }

  /** Takes a listed session up. True if the probe's configuration changes by it. */
  private want(spec: DesiredSession): boolean {
    const held = this.sessions.get(sessionKey(spec.sessionId));
    if (held === undefined) {
      const session = new Session(spec, { kind: 'suspended' });
      this.sessions.set(session.key, session);
      return this.start(session);
    }
    held.desired = true;
    const filterChanged = !equals(
      SessionFilterSchema,
      held.spec.filter ?? EMPTY_FILTER,
      spec.filter ?? EMPTY_FILTER,
    );
    held.spec = spec;
    if (held.phase.kind === 'suspended') return this.start(held);
    if (held.slot === undefined) return false;
    this.armEnd(held);
    const refusal = filterChanged ? this.refusal(held, held.slot) : undefined;
    if (refusal !== undefined) this.fail(held, refusal);
    return filterChanged;
  }

  private start(session: Session): boolean {
    if (this.probe.kind === 'unavailable') return this.fail(session, this.probe.reason);
    const slot = this.slots.free(this.active().map((held) => held.slot));
    if (slot === undefined) {
      return this.fail(session, `this agent runs ${SLOT_COUNT} sessions already, the most that it can`);
    }
    const refusal = this.refusal(session, slot);
    if (refusal !== undefined) return this.fail(session, refusal);
    this.slots.taken(slot);
    this.armEnd(session);
    this.enter(session, { kind: 'pending', slot, reason: '' });
    return true;
  }

  /** Why the probe cannot take this session in this slot besides the others that it has. */
  private refusal(session: Session, slot: number): string | undefined {
    const others = this.active().filter((other) => other !== session);
    const refusal = hostPolicyRefusal(this.surroundings.hostPolicy(), session.spec, others.length);
    return refusal ?? refusalOf(session.spec, slot, this.slotSpecs(others), this.names);
  }

  /** Ends a session that is no longer desired. True if the probe's configuration changes by it. */
  private end(session: Session): boolean {
    session.endTimer?.cancel();
    switch (session.phase.kind) {
      case 'pending':
      case 'running':
        session.phase = { kind: 'ending' };
        return true;
      case 'suspended':
        this.finish(session);
        return false;
      case 'done':
      case 'failed':
        this.sessions.delete(session.key);
        return false;
      case 'ending':
      case 'draining':
        return false;
    }
  }

  private armEnd(session: Session): void {
    session.endTimer?.cancel();
    session.endTimer = undefined;
    const nowMs = this.clock.monotonicMs();
    session.startedAtMs ??= nowMs;
    const { maxDurationSeconds = Number.POSITIVE_INFINITY } = this.surroundings.hostPolicy();
    const allowedMs = session.startedAtMs + maxDurationSeconds * 1000 - nowMs;
    const { endsAtUs } = session.spec;
    const askedMs =
      endsAtUs === 0n ? Number.POSITIVE_INFINITY : (Number(endsAtUs) - this.serverEpochUs) / 1000 - nowMs;
    // Clocks that are a little apart make no cut of a session that asks for just what is allowed.
    const isCut = allowedMs < askedMs - CUT_TOLERANCE_MS;
    session.cut = isCut
      ? `the policy of this host (maxDurationSeconds) ends sessions after ${maxDurationSeconds} s`
      : '';
    const leftMs = isCut ? allowedMs : askedMs;
    if (leftMs === Number.POSITIVE_INFINITY) return;
    session.endTimer = this.clock.after(leftMs, () => {
      if (this.end(session)) this.configure();
    });
  }

  private capReached(session: Session): void {
    this.log.info({ session: session.key, records: session.recordCount }, 'session reached its max_records');
    if (this.end(session)) this.configure();
  }

  private confirm(session: Session, answer: ProbeConfigured): boolean {
    const { slot } = session;
    if (slot === undefined) return false;
    const { hooks, errors } = attachmentOf(session, slot, answer);
    if (hooks === undefined) {
      this.fail(session, errors || 'the probe attached nothing and did not say why');
      return true;
    }
    if (session.phase.kind === 'pending')
      this.enter(session, { kind: 'running', slot, hooks, missing: errors });
    return false;
  }

  /** `stillOn`: sessions that the probe runs yet, whose records may still come. */
  private finishEnding(stillOn: ReadonlySet<Session> = new Set()): void {
    const ending = [...this.sessions.values()].filter(
      (session) => session.phase.kind === 'ending' && !stillOn.has(session),
    );
    if (ending.length === 0) return;
    const throughSeq = this.surroundings.flush();
    for (const session of ending) {
      const giveUp = this.clock.after(DRAIN_MAX_MS, () => this.finish(session));
      session.phase = { kind: 'draining', throughSeq, giveUp };
    }
    this.acknowledged();
  }

  private logErrors(answer: ProbeConfigured): void {
    for (const { slot, probe, message } of answer.errors) {
      if (slot === null) this.log.warn({ probe, message }, 'the probe could not do all');
    }
  }

  private finish(session: Session): void {
    if (session.phase.kind === 'draining') session.phase.giveUp.cancel();
    this.enter(session, { kind: 'done' });
    if (!session.desired) this.sessions.delete(session.key);
  }

  private fail(session: Session, error: string): false {
    session.endTimer?.cancel();
    this.log.warn({ session: session.key, error }, 'session failed');
    this.enter(session, { kind: 'failed', error });
    return false;
  }

  private enter(session: Session, phase: SessionPhase): void {
    session.phase = phase;
    this.report(session);
  }

  private report(session: Session): void {
    const status = session.status(this.desiredRevision);
    this.log.debug({ session: session.key, state: SessionState[status.state] }, 'session state');
    session.reportedRecordCount = session.recordCount;
    this.surroundings.report(status);
  }

  private configure(): void {
    if (this.probe.kind !== 'up') {
      this.finishEnding();
      return;
    }
    if (this.probe.outstanding !== undefined) {
      this.probe.outstanding.dirty = true;
      return;
    }
    const active = this.active();
    const revision = ++this.probeRevision;
    this.router.define(
      revision,
      active.map((session) => [session.slot as number, session] as const),
    );
    this.probe.outstanding = { revision, included: new Set(active), dirty: false };
    this.surroundings.configure(revision, this.slotSpecs(active));
  }

  /** Those that hold a slot. */
  private active(): Session[] {
    return [...this.sessions.values()].filter((session) => session.slot !== undefined);
  }

  private slotSpecs(active: readonly Session[]): SlotSpec[] {
    return active.map((session) => slotSpecOf(session.spec, session.slot as number, this.names));
  }
}
