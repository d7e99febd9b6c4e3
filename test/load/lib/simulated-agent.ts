import { randomUUID } from 'node:crypto';
import { create } from '@bufbuild/protobuf';
import { type DesiredSessions, SessionState, SessionStatusSchema } from '@synscope/protocol';
import { FakeAgent, type FakeIdentity, uuidBytes, uuidText } from '@synscope/testing';

/** How an agent misbehaves. Shares are from 0 to 1. */
export interface Faults {
  /** Lost connections per agent and hour. */
  readonly disconnectsPerHour: number;
  /** Of sessions that are answered late, by up to `slowMs`. */
  readonly slowShare: number;
  readonly slowMs: number;
  /** Of sessions that are refused. */
  readonly refusalShare: number;
}

/** The bound of the first delay of a real agent's backoff. */
const RECONNECT_MS = 500;

/**
 * An agent of a simulated fleet: the real protocol over mutual TLS, on a connection of its own, with heartbeats, and without a probe. All its
 * chance comes from `random`.
 */
export class SimulatedAgent {
  readonly identity: FakeIdentity;
  readonly hostname: string;
  readonly #labels: Readonly<Record<string, string>>;
  readonly #addresses: readonly string[];
  readonly #faults: Faults;
  readonly #random: () => number;
  readonly #bootId = randomUUID();
  readonly #sessions = new Map<string, SessionState>();
  readonly #timers = new Set<NodeJS.Timeout>();
  #agent: FakeAgent | undefined;
  #closed = false;
  /** Lost connections that came back. */
  reconnects = 0;
  refusals = 0;

  constructor(
    identity: FakeIdentity,
    hostname: string,
    labels: Readonly<Record<string, string>>,
    addresses: readonly string[],
    faults: Faults,
    random: () => number,
  ) {
    this.identity = identity;
    this.hostname = hostname;
    this.#labels = labels;
    this.#addresses = addresses;
    this.#faults = faults;
    this.#random = random;
  }

  async connect(): Promise<void> {
    const address = this.#addresses[Math.floor(this.#random() * this.#addresses.length)] ?? '';
    const agent = new FakeAgent({
      address,
      identity: this.identity,
      bootId: this.#bootId,
      obedient: false,
    });
    this.#agent = agent;
    agent.hello({
      hostname: this.hostname,
      labels: { ...this.#labels },
      sessions: [...this.#sessions].map(([id, state]) =>
        create(SessionStatusSchema, { sessionId: uuidBytes(id), state }),
      ),
    });
    const welcome = await agent.welcomes.next();
    void this.#obey(agent);
    // Spread over the interval, as agents that started at different times are.
    this.#after(this.#random() * welcome.heartbeatIntervalMs, () => {
      this.#beat(agent, welcome.heartbeatIntervalMs);
    });
    if (this.#faults.disconnectsPerHour > 0) {
      const meanMs = 3_600_000 / this.#faults.disconnectsPerHour;
      this.#after(-Math.log(1 - this.#random()) * meanMs, () => void agent.disconnect());
    }
    void agent.ended.then(() => this.#reconnect(agent));
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const timer of this.#timers) clearTimeout(timer);
    await this.#agent?.disconnect();
  }

  #reconnect(from: FakeAgent): void {
    if (this.#closed || this.#agent !== from) return;
    this.#agent = undefined;
    this.#after(this.#random() * RECONNECT_MS, () => {
      this.connect().then(
        () => this.reconnects++,
        () => undefined,
      );
    });
  }

  #beat(agent: FakeAgent, intervalMs: number): void {
    if (this.#agent !== agent) return;
    agent.heartbeat();
    this.#after(intervalMs, () => this.#beat(agent, intervalMs));
  }

  async #obey(agent: FakeAgent): Promise<void> {
    for (;;) {
      let desired: DesiredSessions;
      try {
        desired = await agent.desired.next();
      } catch {
        return; // The stream has ended.
      }
      const wanted = new Set(desired.sessions.map(({ sessionId }) => uuidText(sessionId)));
      for (const id of wanted) if (!this.#sessions.has(id)) this.#take(agent, id);
      for (const [id, state] of this.#sessions) {
        if (wanted.has(id)) continue;
        if (state === SessionState.RUNNING) agent.report(id, SessionState.DONE);
        this.#sessions.delete(id);
      }
    }
  }

  #take(agent: FakeAgent, id: string): void {
    this.#sessions.set(id, SessionState.PENDING);
    const { refusalShare, slowShare, slowMs } = this.#faults;
    if (this.#random() < refusalShare) {
      this.refusals++;
      this.#sessions.set(id, SessionState.FAILED);
      agent.report(id, SessionState.FAILED, { error: 'a simulated agent refuses this session' });
      return;
    }
    const run = () => {
      if (!this.#sessions.has(id)) return;
      this.#sessions.set(id, SessionState.RUNNING);
      this.#agent?.report(id, SessionState.RUNNING, { hooks: ['simulated'] });
    };
    if (this.#random() < slowShare) this.#after(this.#random() * slowMs, run);
    else run();
  }

  #after(ms: number, work: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      if (!this.#closed) work();
    }, ms);
    this.#timers.add(timer);
  }
}
