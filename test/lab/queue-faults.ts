import { setTimeout as delay } from 'node:timers/promises';
import type { Connect, Server } from './endpoint.ts';
import type { ListeningSocket } from './kernel-account.ts';
import type { Family, Lab } from './lab.ts';
import type { RelayedPacket } from './relay.ts';

/** Process names of the two ends, at most 15 bytes. */
export interface EndNames {
  readonly client?: string;
  readonly server?: string;
}

/** The connections that a full queue of a listening socket met, and what the kernel and the wire say of it. */
export interface QueueFault {
  readonly server: Server;
  /** Those that the fault hit; not the ones that filled the queue. */
  readonly connects: readonly Connect[];
  readonly packets: readonly RelayedPacket[];
  /** TcpExt counters of the server's namespace without their prefix; it sees nothing but this. */
  readonly counters: Readonly<Record<string, number>>;
  /** sk_drops of the listening socket. */
  readonly drops: number;
  /** Connections that waited for accept() when it was at its fullest, and the limit. */
  readonly acceptQueue: number;
  readonly acceptQueueLimit: number;
}

const hit = 4;
/** How long the kernel is asked for a state; far more than it takes, since the machine may be busy. */
const timeoutMs = 20_000;

async function untilTrue(what: string, ask: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await ask())) {
    if (Date.now() > deadline) throw new Error(`not seen within ${timeoutMs} ms: ${what}`);
    await delay(50);
  }
}

const tcpExt = (counters: Readonly<Record<string, number>>) =>
  Object.fromEntries(
    Object.entries(counters).flatMap(([name, value]) =>
      name.startsWith('TcpExt') ? [[name.slice('TcpExt'.length), value]] : [],
    ),
  );

async function untilCounted(lab: Lab, name: string, least: number): Promise<void> {
  await untilTrue(`${name} of ${least}`, async () => ((await lab.counters('b'))[name] ?? 0) >= least);
}

/** A server that accepts nothing, with so many connections in its accept queue. */
async function suspendedServer(
  lab: Lab,
  family: Family,
  names: EndNames,
  options: { readonly backlog: number; readonly waiting: number },
): Promise<Server> {
  const server = await lab.server('b', { family, backlog: options.backlog, name: names.server });
  server.suspend();
  const filling = await lab.client('a', {
    ...server.address,
    count: options.waiting,
    intervalUs: 10_000, // one after another: none may meet a full SYN queue
    name: names.client,
  });
  await filling.connects(options.waiting, timeoutMs);
  await untilTrue(
    `${options.waiting} connections in the accept queue`,
    async () => (await lab.listeningSocket('b', server.address)).acceptQueue === options.waiting,
  );
  return server;
}

async function account(
  lab: Lab,
  server: Server,
  connects: readonly Connect[],
  { acceptQueue, limit: acceptQueueLimit }: ListeningSocket,
): Promise<QueueFault> {
  const ports = new Set(connects.map(({ local }) => local.port));
  const packets = (await lab.relay.packets()).filter(
    ({ source, destination }) => ports.has(source.port) || ports.has(destination.port),
  );
  return {
    server,
    connects,
    packets,
    counters: tcpExt(await lab.counters('b')),
    drops: (await lab.listeningSocket('b', server.address)).drops,
    acceptQueue,
    acceptQueueLimit,
  };
}

/** SYNs are refused, since the accept queue is full; each client's second one, too. Then the server accepts again. */
export async function acceptQueueFullAtSyn(
  lab: Lab,
  family: Family,
  names: EndNames = {},
): Promise<QueueFault> {
  const backlog = hit; // so that their next SYNs, which come together, do not fill the SYN queue
  const server = await suspendedServer(lab, family, names, { backlog, waiting: backlog + 1 });
  const full = await lab.listeningSocket('b', server.address);
  const client = await lab.client('a', { ...server.address, count: hit, name: names.client });
  await untilCounted(lab, 'TcpExtListenOverflows', 2 * hit);
  server.resume();
  const connects = await client.connects(hit, timeoutMs);
  await server.accepts(backlog + 1 + hit, timeoutMs);
  return await account(lab, server, connects, full);
}

/** SYNs find the last place of the accept queue free; of their third packets one gets it, the others are dropped. Then the server accepts again. */
export async function acceptQueueFullAtAck(
  lab: Lab,
  family: Family,
  names: EndNames = {},
): Promise<QueueFault> {
  const backlog = 4;
  const server = await suspendedServer(lab, family, names, { backlog, waiting: backlog });
  // All SYNs must be there before the first third packet is.
  await lab.relay.delay('b', 200_000);
  const client = await lab.client('a', { ...server.address, count: hit, name: names.client });
  await untilCounted(lab, 'TcpExtListenOverflows', hit - 1);
  const full = await lab.listeningSocket('b', server.address);
  server.resume();
  const connects = await client.connects(hit, timeoutMs);
  await server.accepts(backlog + hit, timeoutMs);
  return await account(lab, server, connects, full);
}

/** The same when most SYNs were answered by a cookie, as the SYN queue was full: of those connections the server keeps nothing. */
export async function acceptQueueFullOnCookiePath(
  lab: Lab,
  family: Family,
  names: EndNames = {},
): Promise<QueueFault> {
  const backlog = 2;
  const count = 2 * hit;
  await lab.setting('b', 'net.ipv4.tcp_syncookies', 1);
  const server = await suspendedServer(lab, family, names, { backlog, waiting: backlog });
  await lab.relay.delay('b', 200_000);
  const client = await lab.client('a', { ...server.address, count, name: names.client });
  await untilCounted(lab, 'TcpExtListenOverflows', count - 1);
  const full = await lab.listeningSocket('b', server.address);
  server.resume();
  const connects = await client.connects(count, timeoutMs);
  // Those that were not answered by a cookie come in when their SYN-ACK is sent again.
  await server.accepts(backlog + backlog + 1, timeoutMs);
  return await account(lab, server, connects, full);
}

/** A listener whose SYN queue is full of half-open connections, and clients that come then. */
async function synQueueFull(
  lab: Lab,
  family: Family,
  names: EndNames,
  fullCounter: string,
): Promise<QueueFault> {
  const backlog = 8;
  // One repeated SYN-ACK: a half-open connection is given up after 3 s.
  await lab.setting('b', 'net.ipv4.tcp_synack_retries', 1);
  const server = await lab.server('b', { family, backlog, name: names.server });
  await lab.floodSyns(server.address, 3 * backlog);
  await untilCounted(lab, fullCounter, 1);
  const client = await lab.client('a', { ...server.address, count: hit, name: names.client });
  const connects = await client.connects(hit, timeoutMs);
  await server.accepts(hit, timeoutMs);
  return await account(lab, server, connects, await lab.listeningSocket('b', server.address));
}

/** SYNs are refused until the half-open connections are given up. */
export async function synQueueFullWithoutCookies(
  lab: Lab,
  family: Family,
  names: EndNames = {},
): Promise<QueueFault> {
  await lab.setting('b', 'net.ipv4.tcp_syncookies', 0);
  return await synQueueFull(lab, family, names, 'TcpExtTCPReqQFullDrop');
}

/** SYNs are answered by cookies, and the clients notice nothing. */
export async function synQueueFullWithCookies(
  lab: Lab,
  family: Family,
  names: EndNames = {},
): Promise<QueueFault> {
  await lab.setting('b', 'net.ipv4.tcp_syncookies', 1);
  return await synQueueFull(lab, family, names, 'TcpExtTCPReqQFullDoCookies');
}
