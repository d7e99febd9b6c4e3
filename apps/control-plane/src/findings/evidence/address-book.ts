import { hostKey } from './listener-memory.js';
import { isLoopback } from './records.js';

/** How long it counts as known that an address is on a host, or that a port answers. Microseconds. */
const KEPT_US = 600_000_000;
/** Beyond these many, what is oldest is forgotten. */
const ADDRESSES = 100_000;
const ANSWERS = 200_000;

/** Handshakes of one page of arrivals, by who saw them and with whom. */
export interface Activity {
  readonly agentId: string;
  readonly netns: number | null;
  readonly role: 'client' | 'server';
  readonly localAddress: string;
  /** Of the server. */
  readonly serverAddress: string;
  readonly serverPort: number;
  /** When one was established last; null if none was. */
  readonly establishedAtUs: number | null;
  readonly seenAtUs: number;
}

/** Which host has which address, and what answers there: only from records that hosts have sent. */
export class AddressBook {
  private readonly owners = new Map<string, Map<string, number>>();
  /** `client agent|server address` → port → when it answered last. An empty client stands for all. */
  private readonly answers = new Map<string, Map<number, number>>();

  readonly ownersOf = (address: string): ReadonlySet<string> =>
    new Set(this.owners.get(address)?.keys() ?? []);

  /** Agents on hosts that have the address. */
  agentsAt(address: string): readonly string[] {
    return [...new Set([...this.ownersOf(address)].map((key) => key.slice(0, key.indexOf('|'))))];
  }

  own(
    address: string,
    host: { readonly agentId: string; readonly netns: number | null },
    atUs: number,
  ): void {
    if (isLoopback(address)) return;
    const hosts = this.owners.get(address) ?? new Map<string, number>();
    hosts.set(hostKey(host), Math.max(atUs, hosts.get(hostKey(host)) ?? 0));
    // Again at the end, so that the map is in the order of last use.
    this.owners.delete(address);
    this.owners.set(address, hosts);
  }

  add(activity: Activity): void {
    this.own(activity.localAddress, activity, activity.seenAtUs);
    if (activity.establishedAtUs === null) return;
    const { agentId, serverAddress, serverPort, establishedAtUs } = activity;
    if (activity.role === 'client') this.answer(`${agentId}|${serverAddress}`, serverPort, establishedAtUs);
    this.answer(`|${serverAddress}`, serverPort, establishedAtUs);
  }

  /** The ports of an address that answered this client's host (or anybody, with null) since then. */
  answeredPorts(agentId: string | null, address: string, sinceUs: number): readonly number[] {
    const ports = this.answers.get(`${agentId ?? ''}|${address}`) ?? new Map<number, number>();
    return [...ports].filter(([, atUs]) => atUs >= sinceUs).map(([port]) => port);
  }

  prune(nowUs: number): void {
    pruneMap(this.owners, nowUs - KEPT_US, ADDRESSES);
    pruneMap(this.answers, nowUs - KEPT_US, ANSWERS);
  }

  private answer(key: string, port: number, atUs: number): void {
    const ports = this.answers.get(key) ?? new Map<number, number>();
    ports.set(port, Math.max(atUs, ports.get(port) ?? 0));
    this.answers.delete(key);
    this.answers.set(key, ports);
  }
}

function pruneMap<K>(map: Map<string, Map<K, number>>, untilUs: number, most: number): void {
  let excess = map.size - most;
  for (const [key, entries] of map) {
    for (const [entry, atUs] of entries) if (atUs < untilUs) entries.delete(entry);
    if (entries.size === 0 || excess-- > 0) map.delete(key);
  }
}
