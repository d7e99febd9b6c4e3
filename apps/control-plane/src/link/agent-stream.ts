import { once } from 'node:events';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import type { ServerDuplexStream } from '@grpc/grpc-js';
import { type ConnectResponse, ConnectResponseSchema } from '@synscope/protocol';
import { v7 as uuidv7 } from 'uuid';
import { GrpcStatusError } from '../grpc/grpc-status.js';
import type { Desired } from '../trace-sessions/session-targets.js';
import type { ConnectMessage } from './connect-message.js';
import { type Greeting, readHeartbeat, readHello, readStatus } from './hello.js';
import type { StreamDuties } from './stream-duties.js';

/** How many batches of one agent may be on their way to the database. */
export const MAX_UNACKED_BATCHES = 8;

/** The protocol version that brought HeartbeatAnswer. */
const ANSWERED_HEARTBEATS = 2;

export type AgentCall = ServerDuplexStream<ConnectMessage, ConnectResponse>;

type StreamState =
  /** Nothing but Hello is taken. */
  | { readonly kind: 'awaiting_hello' }
  /** Known and welcome. `desired` are the sessions that it was told last. */
  | { readonly kind: 'active'; readonly greeting: Greeting; readonly desired: Desired | null }
  /** A status is on its way, or the agent has gone. Nothing more is sent. */
  | { readonly kind: 'ended' };

/** One stream of one agent, whose certificate was verified. Reads one message at a time, so that a slow database slows the agent. */
export class AgentStream {
  readonly linkId = uuidv7();
  readonly agentId: string;
  readonly publicKeyHash: Buffer;
  private state: StreamState = { kind: 'awaiting_hello' };
  private lastHeardAtMs = Date.now();
  private lastSentAtMs = Date.now();
  /** A message is being worked on: silence is ours then, not the agent's. */
  private working = false;
  private readonly unacked = new Set<Promise<void>>();
  /** No heartbeat came yet; what the first one has to settle. */
  private first: { readonly rivalBootId: string | null } | null = null;
  private failure: GrpcStatusError | null = null;
  /** Came between the reading of what the welcome brings and the welcome. */
  private early: Desired | null = null;

  constructor(
    private readonly call: AgentCall,
    { agentId, publicKeyHash }: { readonly agentId: string; readonly publicKeyHash: Buffer },
    private certificateEndsAtMs: number,
    private readonly duties: StreamDuties,
  ) {
    this.agentId = agentId;
    this.publicKeyHash = publicKeyHash;
  }

  get active(): boolean {
    return this.state.kind === 'active';
  }

  get hasEnded(): boolean {
    return this.state.kind === 'ended';
  }

  /** Reads until the stream ends, and says why it did. Never rejects. */
  async run(): Promise<GrpcStatusError | null> {
    try {
      // The stream is not destroyed when the loop ends, because the status has still to be sent over it.
      for await (const message of this.call.iterator({ destroyOnReturn: false })) {
        this.working = true;
        await this.receive(message as ConnectMessage);
        this.working = false;
        this.lastHeardAtMs = Date.now();
        if (this.hasEnded) break;
        // An agent that does not read its acknowledgements is not read either.
        if (this.call.writableNeedDrain) await this.drained();
      }
      // The agent has said all: what it is still owed are acknowledgements.
      await Promise.all(this.unacked);
      this.close();
      return this.failure;
    } catch (error) {
      if (!this.hasEnded) this.end(this.duties.toStatus(error, this));
      return this.failure;
    }
  }

  /** Ends the stream with a reason that the agent gets. */
  end(reason: GrpcStatusError): void {
    if (this.state.kind === 'ended') return;
    this.state = { kind: 'ended' };
    this.failure = reason;
    // How grpc-js takes the status of a stream: https://grpc.io/docs/guides/error/
    if (!this.call.cancelled) this.call.emit('error', reason);
  }

  /** Why this stream should end now, or null. `silenceMs` is what an agent may be silent for. */
  overdue(nowMs: number, silenceMs: number): GrpcStatusError | null {
    if (nowMs >= this.certificateEndsAtMs) {
      return new GrpcStatusError(
        'UNAUTHENTICATED',
        'the certificate of this stream has expired and was not renewed',
      );
    }
    if (this.working || nowMs - this.lastHeardAtMs < silenceMs) return null;
    return new GrpcStatusError(
      'DEADLINE_EXCEEDED',
      this.state.kind === 'awaiting_hello'
        ? 'no Hello came'
        : `no heartbeat for ${Math.round(silenceMs / 1_000)} s`,
    );
  }

  /** Tells the agent what it should be running, if that is news. */
  sendDesired(desired: Desired): void {
    if (this.state.kind === 'awaiting_hello') this.early = desired;
    if (this.state.kind !== 'active') return;
    if (this.state.desired !== null && sameSessions(this.state.desired, desired)) return;
    this.state = { ...this.state, desired };
    this.send({
      case: 'desiredSessions',
      value: { revision: desired.revision, sessions: [...desired.sessions] },
    });
  }

  /** Says the same again after a silence, which is what keeps the agent's leases alive. */
  keepAlive(nowMs: number, intervalMs: number): void {
    if (this.state.kind !== 'active' || this.state.desired === null || nowMs - this.lastSentAtMs < intervalMs)
      return;
    // An agent that does not read what it got needs no more of it.
    if (!this.call.writableNeedDrain) this.repeatDesired();
  }

  /** What is not listed is to be ended. */
  private repeatDesired(): void {
    if (this.state.kind !== 'active' || this.state.desired === null) return;
    const { revision, sessions } = this.state.desired;
    this.send({ case: 'desiredSessions', value: { revision, sessions: [...sessions] } });
  }

  private send(message: NonNullable<MessageInitShape<typeof ConnectResponseSchema>['message']>): void {
    if (this.state.kind === 'ended' || this.call.cancelled) return;
    this.lastSentAtMs = Date.now();
    this.call.write(create(ConnectResponseSchema, { message }));
  }

  private async drained(): Promise<void> {
    const waiting = new AbortController();
    const options = { signal: waiting.signal };
    const event = (name: string) => once(this.call, name, options).catch(() => undefined);
    await Promise.race([event('drain'), event('cancelled'), event('close')]);
    waiting.abort();
  }

  private close(): void {
    if (this.state.kind === 'ended') return;
    this.state = { kind: 'ended' };
    this.call.end();
  }

  private async receive(message: ConnectMessage): Promise<void> {
    if (message.case === 'malformed') throw new GrpcStatusError('INVALID_ARGUMENT', message.reason);
    switch (this.state.kind) {
      case 'awaiting_hello':
        if (message.case !== 'hello') {
          throw new GrpcStatusError(
            'INVALID_ARGUMENT',
            `the first message must be hello, not ${message.case}`,
          );
        }
        return this.welcome(readHello(message.value));
      case 'active':
        return this.receiveActive(message, this.state.greeting);
      case 'ended':
        return;
    }
  }

  private async welcome(greeting: Greeting): Promise<void> {
    const { welcome, desired, rivalBootId } = await this.duties.welcome.arrive(this, greeting);
    // Taken over or cut while the database was asked.
    if (this.hasEnded) return;
    this.state = { kind: 'active', greeting, desired: null };
    this.first = { rivalBootId };
    this.send({ case: 'welcome', value: { ...welcome, maxUnackedBatches: MAX_UNACKED_BATCHES } });
    this.sendDesired(this.early !== null && this.early.revision > desired.revision ? this.early : desired);
  }

  private async receiveActive(
    message: Exclude<ConnectMessage, { case: 'malformed' }>,
    greeting: Greeting,
  ): Promise<void> {
    switch (message.case) {
      case 'hello':
        throw new GrpcStatusError('INVALID_ARGUMENT', 'hello comes once, as the first message');
      case 'heartbeat': {
        const { first } = this;
        this.first = null;
        const rivalBootId = first?.rivalBootId ?? null;
        const renewCertificate =
          rivalBootId !== null && (await this.duties.reports.settle(this, greeting, rivalBootId));
        const answer = this.duties.reports.alive(this, readHeartbeat(message.value), first !== null);
        if (greeting.protocolVersion >= ANSWERED_HEARTBEATS) {
          this.send({ case: 'heartbeatAnswer', value: { ...answer, renewCertificate } });
        }
        return;
      }
      case 'sessionStatus': {
        const status = readStatus('session_status', message.value);
        // The records that came before the word that all is done are stored before it counts.
        if (status.state === 'done' || status.state === 'failed') await Promise.all(this.unacked);
        if (!(await this.duties.reports.report(this, status))) this.repeatDesired();
        return;
      }
      case 'batch':
        return this.takeBatch(greeting.arrival.bootId, message.value);
      case 'certificateSigningRequest': {
        const certificate = await this.duties.reports.renew(this, message.value);
        this.certificateEndsAtMs = Number(certificate.notAfterUs / 1_000n);
        this.send({ case: 'certificate', value: certificate });
        return;
      }
    }
  }

  /** Returns when the next message may be read. */
  private async takeBatch(bootId: string, bytes: Uint8Array): Promise<void> {
    await this.duties.batches.ready();
    const stored = this.duties.batches
      .submit({ agentId: this.agentId, bootId, bytes })
      .then(
        ({ seq }) => this.send({ case: 'ack', value: { seq: BigInt(seq) } }),
        (error: unknown) => this.end(this.duties.toStatus(error, this)),
      )
      .finally(() => this.unacked.delete(stored));
    this.unacked.add(stored);
    while (this.unacked.size >= MAX_UNACKED_BATCHES) await Promise.race(this.unacked);
  }
}

/** Specs never change, so the same ids in the same order are the same sessions. */
function sameSessions(left: Desired, right: Desired): boolean {
  return (
    left.sessions.length === right.sessions.length &&
    left.sessions.every((session, index) =>
      Buffer.from(session.sessionId).equals(right.sessions[index]?.sessionId ?? new Uint8Array()),
    )
  );
}
