import { setTimeout as delay } from 'node:timers/promises';
import type { Client, Connect } from '../../lab/endpoint.js';
import { type Family, Lab } from '../../lab/lab.js';
import { firstFurtherLab, prefixesFrom } from './ends.js';

const families: readonly Family[] = ['ipv4', 'ipv6'];
const clientName = 'mixed-client';
const serverName = 'mixed-server';
const suffix = `mixed.p${process.pid}.findings.test`;

/** Of both ends of the mixed loads. */
export const mixedSessions: readonly object[] = [
  {
    name: 'mixed loads',
    durationSeconds: 1_800,
    maxRecordsPerAgent: 10_000_000,
    probes: ['tcp_handshake', 'dns'],
    filter: { remoteCidrs: prefixesFrom(firstFurtherLab), dnsServers: prefixesFrom(firstFurtherLab) },
  },
  {
    name: 'mixed loads: listening sockets',
    durationSeconds: 1_800,
    maxRecordsPerAgent: 10_000_000,
    probes: ['listener'],
    filter: { processNames: [serverName] },
  },
];

export interface MixedLoad {
  readonly networks: readonly string[];
  readonly connects: readonly Connect[];
  /** Those that failed, or took as long as a lost packet makes them. */
  readonly slowOrFailed: readonly Connect[];
  readonly queries: number;
  readonly answers: number;
}

/** Half a second less than it takes until a SYN is sent again. */
const slowUs = 500_000;
const isSlowOrFailed = ({ error, gaveUp, startedUs, endedUs }: Connect) =>
  error !== '' || gaveUp || endedUs - startedUs >= slowUs;

async function resultOf(
  lab: Lab,
  clients: readonly { readonly client: Client; readonly count: number }[],
  timeoutMs: number,
): Promise<Pick<MixedLoad, 'networks' | 'connects' | 'slowOrFailed'>> {
  const connects = await Promise.all(
    clients.map(async ({ client, count }) => await client.connects(count, timeoutMs)),
  );
  return {
    networks: families.map((family) => lab.network(family)),
    connects: connects.flat(),
    slowOrFailed: connects.flat().filter(isSlowOrFailed),
  };
}

/** Connections of some kinds and queries of many, over a path where nothing is lost, for so many seconds. */
export async function runHealthyLoad(seconds: number): Promise<MixedLoad> {
  await using lab = await Lab.create({ number: firstFurtherLab, delayUs: 10_000 });
  await lab.dnsServer('b', { name: serverName });
  const intervalUs = 25_000;
  const count = (seconds * 1e6) / intervalUs;
  const clients: { client: Client; count: number }[] = [];
  for (const family of families) {
    const [quick, unhurried] = await Promise.all([
      lab.server('b', { family, name: serverName, backlog: 512 }),
      // Each connection waits a little for its turn.
      lab.server('b', { family, name: serverName, backlog: 512, acceptDelayMs: 10 }),
    ]);
    for (const { address } of [quick, unhurried])
      clients.push({
        client: await lab.client('a', {
          ...address,
          count,
          intervalUs,
          closeAtOnce: true,
          name: clientName,
        }),
        count,
      });
  }
  const deadline = Date.now() + seconds * 1_000;
  let queries = 0;
  let answers = 0;
  for (let round = 0; Date.now() < deadline; round++) {
    for (const family of families) {
      // New names, which take their time, and one that everybody asks for; some do not exist.
      const questions = [
        `d${(round * 37) % 150}.n${round}.${suffix}/A`,
        `d20.nxdomain.n${round}.${suffix}/AAAA`,
        `d5.everybody.${suffix}/A`,
      ];
      await using asker = await lab.dnsClient('a', {
        address: lab.address('b', family),
        questions,
        connected: round % 2 === 0,
        tcp: round % 5 === 4,
        name: clientName,
      });
      await asker.done(30_000);
      queries += questions.length;
      answers += asker.received.length;
    }
  }
  return { ...(await resultOf(lab, clients, seconds * 1_000 + 60_000)), queries, answers };
}

/**
 * Connections that meet a path that loses 3 % of each direction's packets, a server whose queue overflows again and again, a closed port and a
 * filtered one.
 */
export async function runFaultyLoad(seconds: number): Promise<MixedLoad> {
  await using lab = await Lab.create({ number: firstFurtherLab + 1, delayUs: 10_000 });
  await lab.setting('a', 'net.ipv4.tcp_syn_retries', 2);
  await lab.relay.loss('a', 3, 1);
  await lab.relay.loss('b', 3, 2);
  const intervalUs = 25_000;
  const clients: { client: Client; count: number }[] = [];
  const choking: { suspend(): void; resume(): void }[] = [];
  for (const family of families) {
    const server = await lab.server('b', { family, name: serverName, backlog: 256 });
    const choked = await lab.server('b', { family, name: serverName, backlog: 8 });
    const hidden = await lab.server('b', { family, name: serverName });
    choking.push(choked);
    await lab.relay.drop({ kind: 'syn', from: 'a', port: hidden.address.port });
    const targets = [
      { ...server.address, intervalUs },
      { ...choked.address, intervalUs: 4 * intervalUs },
      { ...hidden.address, intervalUs: 40 * intervalUs },
      { address: lab.address('b', family), port: 9, intervalUs: 40 * intervalUs },
    ];
    for (const target of targets) {
      const count = Math.ceil((seconds * 1e6) / target.intervalUs);
      clients.push({
        client: await lab.client('a', { ...target, count, closeAtOnce: true, name: clientName }),
        count,
      });
    }
  }
  const deadline = Date.now() + seconds * 1_000;
  while (Date.now() < deadline) {
    for (const server of choking) server.suspend();
    await delay(2_500);
    for (const server of choking) server.resume();
    await delay(2_500);
  }
  return { ...(await resultOf(lab, clients, seconds * 1_000 + 60_000)), queries: 0, answers: 0 };
}
