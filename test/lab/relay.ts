import { JsonProcess } from './json-process.ts';
import { relayFile } from './tools.ts';

export type Side = 'a' | 'b';

export interface SocketAddress {
  readonly address: string;
  readonly port: number;
}

/** One TCP or UDP packet as the relay saw it. Times are CLOCK_MONOTONIC in microseconds. */
export interface RelayedPacket {
  readonly event: 'packet';
  readonly from: Side;
  readonly kind: 'syn' | 'synack' | 'ack' | 'data' | 'fin' | 'rst' | 'udp';
  readonly source: SocketAddress;
  readonly destination: SocketAddress;
  /** TCP; 0 of UDP. */
  readonly seq: number;
  readonly ack: number;
  /** UDP: the first two bytes of the payload, which is the ID of a DNS message; 0 of TCP. */
  readonly messageId: number;
  /** Bytes. */
  readonly payload: number;
  /** Taken from the sender. */
  readonly arrivedUs: number;
  /** Handed to the receiver; absent if dropped. */
  readonly sentUs?: number;
  readonly droppedBy?: 'rule' | 'loss' | 'overflow';
}

export interface Namespace {
  /** For `nsenter --net=`; valid as long as the lab. */
  readonly path: string;
  /** As in /proc/PID/ns/net. */
  readonly inode: number;
}

export interface DirectionCounts {
  readonly forwarded: number;
  readonly droppedByRule: number;
  readonly droppedByLoss: number;
  readonly droppedByOverflow: number;
  readonly queued: number;
}

interface Ready {
  readonly event: 'ready';
  readonly pid: number;
  readonly a: Namespace;
  readonly b: Namespace;
}

type Reply = { readonly event: 'reply'; readonly ok: boolean; readonly error?: string } & Partial<Stats>;
export type Stats = Readonly<Record<Side, DirectionCounts>> & { readonly unreportedPackets: number };
type RelayEvent = Ready | Reply | RelayedPacket;

export interface Drop {
  readonly kind: RelayedPacket['kind'] | 'any';
  /** The first so many; all of them if left out. */
  readonly first?: number;
  /** `first` holds for each connection instead of for all together. */
  readonly eachConnection?: boolean;
  readonly from?: Side;
  /** Of either end. */
  readonly port?: number;
}

/** The wire between the two namespaces; see tun-relay.c. */
export class Relay implements AsyncDisposable {
  readonly #process: JsonProcess<RelayEvent>;
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(process: JsonProcess<RelayEvent>) {
    this.#process = process;
  }

  static async start(): Promise<Relay> {
    const relay = new Relay(await JsonProcess.start<RelayEvent>(relayFile, []));
    try {
      await relay.#process.until(() => relay.#process.events.length > 0, 'ready line');
    } catch (error) {
      await relay[Symbol.asyncDispose]();
      throw error;
    }
    return relay;
  }

  get pid(): number {
    return this.#process.pid;
  }

  namespace(side: Side): Namespace {
    const ready = this.#process.events[0];
    if (ready?.event !== 'ready') throw new Error('the relay is not ready');
    return ready[side];
  }

  /** The one-way delay of what `side` sends. */
  async delay(side: Side, microseconds: number): Promise<void> {
    await this.command(`delay ${side} ${microseconds}`);
  }

  async drop(drop: Drop): Promise<void> {
    const words = ['drop', drop.kind, drop.first ?? 'all'];
    if (drop.eachConnection) words.push('each');
    if (drop.from) words.push('from', drop.from);
    if (drop.port !== undefined) words.push('port', drop.port);
    await this.command(words.join(' '));
  }

  /** Random loss of what `side` sends; the same seed loses the same packets of the same sequence. */
  async loss(side: Side, percent: number, seed: number): Promise<void> {
    await this.command(`loss ${side} ${percent} ${seed}`);
  }

  async stats(): Promise<Stats> {
    const { a, b, unreportedPackets } = await this.command('stats');
    if (!a || !b || unreportedPackets === undefined) throw new Error('the relay gave no counts');
    return { a, b, unreportedPackets };
  }

  /** Every TCP and UDP packet that was forwarded or dropped before this call. */
  async packets(): Promise<readonly RelayedPacket[]> {
    await this.stats(); // answers come in order, behind the packets
    return this.#process.events.filter((event) => event.event === 'packet');
  }

  async command(line: string): Promise<Reply> {
    const turn = this.#turn.then(async () => {
      const before = this.#replies().length;
      this.#process.send(line);
      await this.#process.until(() => this.#replies().length > before, `reply to "${line}"`);
      return this.#replies()[before];
    });
    this.#turn = turn.catch(() => undefined);
    const reply = await turn;
    if (!reply?.ok) throw new Error(`relay refused "${line}": ${reply?.error}`);
    return reply;
  }

  /** Resolves once `count` packets that match were seen since the start. */
  async untilPackets(
    matches: (packet: RelayedPacket) => boolean,
    count: number,
    timeoutMs?: number,
  ): Promise<void> {
    const seen = () =>
      this.#process.events.filter((event) => event.event === 'packet' && matches(event)).length;
    await this.#process.until(() => seen() >= count, `${count} such packets`, timeoutMs);
  }

  #replies(): readonly Reply[] {
    return this.#process.events.filter((event) => event.event === 'reply');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process[Symbol.asyncDispose]();
  }
}
