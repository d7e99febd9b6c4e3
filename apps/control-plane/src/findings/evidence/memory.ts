import { ACCEPT_WINDOW_US, SLOW_ACCEPT_US } from '../rules/thresholds.js';
import { AddressBook } from './address-book.js';
import { Coverage } from './coverage.js';
import type { Arrivals } from './evidence-reader.js';
import { hostKey, ListenerMemory } from './listener-memory.js';
import { type HandshakeEnd, isLoopback, isWildcard, type QueryEnd, type ReceiveDrop } from './records.js';

const DROPS_KEPT_US = 120_000_000;
const DROPS = 20_000;
const PORTS_OF_ACCEPTS = 20_000;
const ACCEPTS_PER_PORT = 64;
/** Drops are counted by the second, and clocks compared by heartbeats. Microseconds. */
const SLACK_US = 1_500_000;
/** How long a host counts as the one that serves DNS at an address. Microseconds. */
const RESOLVERS_KEPT_US = 600_000_000;
const RESOLVERS = 20_000;

export interface Host {
  readonly agentId: string;
  readonly netns: number | null;
}

/**
 * What arrived lately, of which a record can be judged: of one replica, or of one question to it. Everything in it is bounded, and filled from
 * records alone.
 */
export class Memory {
  readonly addresses = new AddressBook();
  readonly listeners: ListenerMemory;
  readonly coverage = new Coverage();
  private drops: ReceiveDrop[] = [];
  /** `agent|netns|port` → when connections waited long for accept(), ascending. */
  private readonly accepts = new Map<string, number[]>();
  /** `address|port` of resolvers → host → when it last told of a query. */
  private readonly resolvers = new Map<string, Map<string, Host & { atUs: number }>>();

  constructor(samplesPerListener?: number) {
    this.listeners = new ListenerMemory(this.addresses.ownersOf, samplesPerListener);
  }

  add(arrivals: Arrivals): void {
    for (const activity of arrivals.activities) this.addresses.add(activity);
    for (const sample of arrivals.samples) this.listeners.add(sample);
    for (const handshake of arrivals.handshakes) this.addAccept(handshake);
    for (const { ownAddress, seenAtUs, side, serverPort, ...host } of arrivals.questions) {
      this.addresses.own(ownAddress, host, seenAtUs);
      if (side === 'resolver') this.addResolver(ownAddress, serverPort, host, seenAtUs);
    }
    this.drops.push(...arrivals.drops);
  }

  prune(nowUs: number): void {
    this.addresses.prune(nowUs);
    this.listeners.prune(nowUs);
    this.coverage.prune(nowUs);
    this.drops = this.drops.filter(({ untilUs }) => untilUs >= nowUs - DROPS_KEPT_US).slice(-DROPS);
    for (const [key, times] of this.accepts)
      if ((times.at(-1) ?? 0) < nowUs - 2 * ACCEPT_WINDOW_US || this.accepts.size > PORTS_OF_ACCEPTS)
        this.accepts.delete(key);
    for (const [key, hosts] of this.resolvers) {
      for (const [host, { atUs }] of hosts) if (atUs < nowUs - RESOLVERS_KEPT_US) hosts.delete(host);
      if (hosts.size === 0 || this.resolvers.size > RESOLVERS) this.resolvers.delete(key);
    }
  }

  /** Connections to the same port that waited long, up to this one. */
  slowAccepts(server: HandshakeEnd): number {
    const times = this.accepts.get(acceptKey(server)) ?? [];
    return times.filter((atUs) => Math.abs(atUs - server.atUs) <= ACCEPT_WINDOW_US).length;
  }

  /** The host that serves DNS where a client asks, if exactly one is known to. */
  resolverOf(query: QueryEnd): Host | null {
    if (query.side === 'resolver' || isLoopback(query.serverAddress)) {
      const known = this.resolvers.get(`${query.serverAddress}|${query.serverPort}`);
      const own = [...(known?.values() ?? [])].find(
        ({ agentId, netns }) => agentId === query.agentId && netns === query.netns,
      );
      return own ?? null;
    }
    const known = [...(this.resolvers.get(`${query.serverAddress}|${query.serverPort}`)?.values() ?? [])];
    if (known.length === 1) return known[0] ?? null;
    // Several hosts with one address: the newest, if the others have been silent since.
    const [newest, second] = known.sort((left, right) => right.atUs - left.atUs);
    return newest && second && newest.atUs - second.atUs > RESOLVERS_KEPT_US / 20 ? newest : null;
  }

  /** What the resolver's sockets dropped of those that this query may have been among. */
  dropsAtResolver(query: QueryEnd, fromUs: number, untilUs: number): readonly ReceiveDrop[] {
    const { serverAddress, serverPort } = query;
    const drops = this.dropsWithin(fromUs, untilUs).filter(
      ({ side, port }) => side === 'resolver' && port === serverPort,
    );
    const own = query.side === 'resolver' || isLoopback(serverAddress);
    if (own) {
      return drops.filter(
        ({ agentId, netns, address }) =>
          agentId === query.agentId &&
          (netns === null || query.netns === null || netns === query.netns) &&
          (address === serverAddress || isWildcard(address)),
      );
    }
    const owners = this.addresses.ownersOf(serverAddress);
    return drops.filter(
      (drop) => drop.address === serverAddress || (isWildcard(drop.address) && owners.has(hostKey(drop))),
    );
  }

  dropsAtClient(query: QueryEnd, fromUs: number, untilUs: number): readonly ReceiveDrop[] {
    if (query.side !== 'client') return [];
    return this.dropsWithin(fromUs, untilUs).filter(
      ({ side, agentId, netns }) => side === 'client' && agentId === query.agentId && netns === query.netns,
    );
  }

  private dropsWithin(fromUs: number, untilUs: number): readonly ReceiveDrop[] {
    return this.drops.filter(
      (drop) => drop.untilUs >= fromUs - SLACK_US && drop.fromUs <= untilUs + SLACK_US,
    );
  }

  private addAccept(handshake: HandshakeEnd): void {
    if (handshake.role !== 'server' || (handshake.acceptWaitUs ?? 0) < SLOW_ACCEPT_US) return;
    const key = acceptKey(handshake);
    const times = [...(this.accepts.get(key) ?? []), handshake.atUs].sort((left, right) => left - right);
    this.accepts.set(key, times.slice(-ACCEPTS_PER_PORT));
  }

  private addResolver(address: string, port: number, host: Host, atUs: number): void {
    const key = `${address}|${port}`;
    const hosts = this.resolvers.get(key) ?? new Map<string, Host & { atUs: number }>();
    this.resolvers.set(key, hosts);
    hosts.set(hostKey(host), { ...host, atUs: Math.max(atUs, hosts.get(hostKey(host))?.atUs ?? 0) });
  }
}

function acceptKey({ agentId, netns, localPort }: HandshakeEnd): string {
  return `${hostKey({ agentId, netns })}|${localPort}`;
}
