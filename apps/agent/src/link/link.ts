import { status } from '@grpc/grpc-js';
import type {
  Certificate,
  ConnectResponse,
  DesiredSessions,
  Heartbeat,
  HeartbeatAnswer,
  Hello,
  SessionStatus,
  Welcome,
} from '@synscope/protocol';
import { Backoff } from '../backoff.js';
import type { BatchBuffer } from '../batch/batch-buffer.js';
import type { Clock, Timer } from '../clock.js';
import { grpcTarget } from '../identity/server-address.js';
import type { ServerAddresses } from '../identity/server-addresses.js';
import type { Log } from '../log.js';
import { type LinkCredentials, LinkStream, type StreamEnd } from './link-stream.js';

export interface LinkEvents {
  /** Before each connection. A rejection ends the link for good. */
  credentials(): Promise<LinkCredentials>;
  hello(): Hello;
  /** A heartbeat is due by its interval: what goes with it may be sent. */
  heartbeatDue(): void;
  /** At once after Welcome, then when due. */
  heartbeat(): Heartbeat;
  heartbeatAnswered(answer: HeartbeatAnswer): void;
  welcome(welcome: Welcome): void;
  desired(desired: DesiredSessions): void;
  acknowledged(): void;
  certificate(certificate: Certificate): void;
  /** Nothing was heard from the control plane for as long as the lease lasts. */
  leaseExpired(): void;
  /** The control plane refused this agent's identity: PERMISSION_DENIED (revoked), ALREADY_EXISTS and FAILED_PRECONDITION (another process has it) or UNAUTHENTICATED. */
  refused(end: StreamEnd): void;
  /** `credentials` failed: no further attempt is made. */
  failed(error: unknown): void;
}

const IDENTITY_REFUSED: ReadonlySet<status> = new Set([
  status.PERMISSION_DENIED,
  status.ALREADY_EXISTS,
  status.FAILED_PRECONDITION,
  status.UNAUTHENTICATED,
]);

const RECONNECT_FIRST_MS = 500;
const RECONNECT_MAX_MS = 30_000;
/** A stream that lasted this long was sound. One that ends sooner may end for a reason that comes again at once. */
const SOUND_STREAM_MS = 10_000;
const WELCOME_MAX_MS = 20_000;
/** Heartbeats that a stream begins with, each as soon as the one before it is answered, so that the clocks are compared before anybody asks. */
const FIRST_HEARTBEATS = 4;
/** In case a Welcome leaves a value out. */
const HEARTBEAT_DEFAULT_MS = 10_000;

type LinkState =
  | { readonly kind: 'idle' }
  | { readonly kind: 'preparing' }
  | { readonly kind: 'waiting'; readonly timer: Timer }
  /** Hello is sent, Welcome awaited. */
  | { readonly kind: 'greeting'; readonly stream: LinkStream; readonly deadline: Timer }
  | {
      readonly kind: 'open';
      readonly stream: LinkStream;
      heartbeat: Timer;
      firstHeartbeats: number;
      readonly maxUnacked: number;
      readonly sinceMs: number;
    }
  | { readonly kind: 'closed' };

/**
 * Holds the stream to the control plane: connects again with full jitter, sends what is unacknowledged again, in order, and no more at
 * once than the control plane asked for and the transport takes. The lease outlives streams.
 */
export class Link {
  private state: LinkState = { kind: 'idle' };
  private readonly backoff: Backoff;
  private readonly inFlight = new Set<number>();
  /** After a batch was refused: one at a time, until it is clear which. */
  private oneAtATime = false;
  private leaseMs = 0;
  private heardAtMs = 0;
  private leaseTimer: Timer | undefined;

  constructor(
    private readonly servers: ServerAddresses,
    private readonly buffer: BatchBuffer,
    private readonly events: LinkEvents,
    private readonly clock: Clock,
    private readonly log: Log,
    random: () => number = Math.random,
  ) {
    this.backoff = new Backoff(RECONNECT_FIRST_MS, RECONNECT_MAX_MS, random);
  }

  get isOpen(): boolean {
    return this.state.kind === 'open';
  }

  start(): void {
    if (this.state.kind === 'idle') void this.connect();
  }

  /** Sends what the buffer holds, as far as it may. */
  pump(): void {
    const { state } = this;
    if (state.kind !== 'open') return;
    const limit = this.oneAtATime ? 1 : state.maxUnacked;
    while (state.stream.isWritable && this.inFlight.size < limit) {
      const batch = this.buffer.take();
      if (batch === undefined) return;
      this.inFlight.add(batch.seq);
      state.stream.sendEncoded(batch.bytes);
    }
  }

  /** Lost if the link is down: the next Hello carries every session's status. */
  report(sessionStatus: SessionStatus): void {
    if (this.state.kind === 'open') this.state.stream.send({ case: 'sessionStatus', value: sessionStatus });
  }

  requestCertificate(signingRequest: Buffer): void {
    if (this.state.kind === 'open') {
      this.state.stream.send({ case: 'certificateSigningRequest', value: signingRequest });
    }
  }

  /** Connects anew at once, because Hello or the certificate have changed. */
  reconnect(reason: string): void {
    if (this.state.kind !== 'open' && this.state.kind !== 'greeting') return;
    this.log.info({ reason }, 'connecting anew');
    this.leave();
    void this.connect();
  }

  close(): void {
    this.leaseTimer?.cancel();
    if (this.state.kind === 'waiting') this.state.timer.cancel();
    this.leave();
    this.state = { kind: 'closed' };
  }

  private async connect(): Promise<void> {
    this.state = { kind: 'preparing' };
    let credentials: LinkCredentials;
    try {
      credentials = await this.events.credentials();
    } catch (error) {
      if (!this.isClosed()) {
        this.close();
        this.events.failed(error);
      }
      return;
    }
    if (this.isClosed()) return;
    const stream: LinkStream = new LinkStream(this.servers.current, credentials, {
      message: (message) => this.received(stream, message),
      writable: () => this.pump(),
      ended: (end) => this.lost(end),
    });
    const deadline = this.clock.after(WELCOME_MAX_MS, () => stream.cancel('no Welcome came'));
    this.state = { kind: 'greeting', stream, deadline };
    stream.send({ case: 'hello', value: this.events.hello() });
  }

  private isClosed(): boolean {
    return this.state.kind === 'closed';
  }

  private received(stream: LinkStream, message: ConnectResponse['message']): void {
    this.heardAtMs = this.clock.monotonicMs();
    switch (message.case) {
      case 'welcome':
        this.welcomed(stream, message.value);
        break;
      case 'desiredSessions':
        this.events.desired(message.value);
        break;
      case 'ack':
        this.acknowledged(Number(message.value.seq));
        break;
      case 'certificate':
        this.events.certificate(message.value);
        break;
      case 'heartbeatAnswer':
        this.events.heartbeatAnswered(message.value);
        this.beatAgain();
        break;
      case undefined:
        // Of a newer control plane.
        break;
    }
  }

  private welcomed(stream: LinkStream, welcome: Welcome): void {
    if (this.state.kind !== 'greeting') return;
    this.state.deadline.cancel();
    const intervalMs = welcome.heartbeatIntervalMs || HEARTBEAT_DEFAULT_MS;
    this.state = {
      kind: 'open',
      stream,
      heartbeat: this.clock.after(intervalMs, () => this.beat(intervalMs)),
      firstHeartbeats: FIRST_HEARTBEATS,
      maxUnacked: Math.max(1, welcome.maxUnackedBatches),
      sinceMs: this.clock.monotonicMs(),
    };
    this.leaseMs = welcome.leaseMs;
    this.leaseTimer?.cancel();
    if (this.leaseMs > 0) this.watchLease(this.leaseMs);
    this.log.info({ server: grpcTarget(this.servers.current) }, 'connected');
    this.events.welcome(welcome);
    this.beatAgain();
    this.pump();
  }

  private beat(intervalMs: number): void {
    if (this.state.kind !== 'open') return;
    // A blocked stream is alive as long as it takes bytes; another heartbeat behind them would only add to them.
    if (this.state.stream.isWritable) {
      this.events.heartbeatDue();
      this.sendHeartbeat(this.state.stream);
    }
    this.state.heartbeat = this.clock.after(intervalMs, () => this.beat(intervalMs));
  }

  private beatAgain(): void {
    if (this.state.kind !== 'open' || this.state.firstHeartbeats === 0) return;
    this.state.firstHeartbeats--;
    if (this.state.stream.isWritable) this.sendHeartbeat(this.state.stream);
  }

  private sendHeartbeat(stream: LinkStream): void {
    stream.send({ case: 'heartbeat', value: this.events.heartbeat() });
  }

  private acknowledged(seq: number): void {
    this.inFlight.delete(seq);
    this.buffer.acknowledge(seq);
    this.events.acknowledged();
    this.pump();
  }

  private watchLease(afterMs: number): void {
    this.leaseTimer = this.clock.after(afterMs, () => {
      const leftMs = this.heardAtMs + this.leaseMs - this.clock.monotonicMs();
      if (leftMs > 0) {
        this.watchLease(leftMs);
        return;
      }
      this.log.warn(
        { leaseMs: this.leaseMs },
        'the lease ran out: sessions end until the control plane is back',
      );
      this.events.leaseExpired();
      if (this.state.kind === 'open')
        this.state.stream.cancel('nothing was heard for as long as the lease lasts');
    });
  }

  private lost(end: StreamEnd): void {
    const refusedBatches = end.code === status.INVALID_ARGUMENT && this.state.kind === 'open';
    if (this.state.kind === 'open' && this.clock.monotonicMs() - this.state.sinceMs >= SOUND_STREAM_MS) {
      this.backoff.reset();
    }
    this.oneAtATime = refusedBatches && this.handleRefusedBatch(end);
    this.leave();
    if (this.isClosed()) return;
    this.servers.advance();
    const delayMs = Math.round(this.backoff.nextWithFullJitterMs());
    this.log.warn({ code: status[end.code], reason: end.details, retryInMs: delayMs }, 'not connected');
    this.state = { kind: 'waiting', timer: this.clock.after(delayMs, () => void this.connect()) };
    if (IDENTITY_REFUSED.has(end.code)) this.events.refused(end);
  }

  /** True if the culprit is still among several. A batch that is refused alone would be refused for ever: its records are given up. */
  private handleRefusedBatch(end: StreamEnd): boolean {
    const [only, ...others] = this.inFlight;
    if (only === undefined || others.length > 0) return only !== undefined;
    this.log.error(
      { seq: only, reason: end.details },
      'the control plane refuses this batch: its records are given up',
    );
    this.buffer.giveUp(only);
    return false;
  }

  private leave(): void {
    if (this.state.kind === 'greeting') this.state.deadline.cancel();
    if (this.state.kind === 'open') this.state.heartbeat.cancel();
    if (this.state.kind === 'greeting' || this.state.kind === 'open') this.state.stream.close();
    this.inFlight.clear();
    this.buffer.rewind();
  }
}
