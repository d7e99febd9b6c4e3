import type { AskedQuery, ReceivedMessage } from '../../lab/dns-client.js';
import type { DnsServer } from '../../lab/dns-server.js';
import { datagramDrops } from '../../lab/kernel-account.js';
import { type Family, Lab } from '../../lab/lab.js';
import type { RelayedPacket, Side } from '../../lab/relay.js';
import { dig, type GlibcLookup, glibcLookup } from '../../lab/stub-resolvers.js';
import type { WitnessedDnsMessage } from '../../lab/witnessed-dns.js';
import type { Range } from '../comparer.js';
import type { DnsCase } from './cases.js';
import { deriveTruths, type Truth } from './truth.js';

/** One way; both sides' times differ by twice that. */
export const oneWayDelayUs = 5_000;
export const clientName = 'accuracy-client';
export const serverName = 'accuracy-server';
/** SO_RCVBUF of a server that is to lose queries, bytes: room for a few datagrams. */
const smallReceiveBuffer = 4_096;

/** What the one who asks says of it. */
export interface AskerAccount {
  readonly pids: readonly number[];
  /** Of dns-client.c; empty for others. */
  readonly asked: readonly AskedQuery[];
  readonly received: readonly ReceivedMessage[];
  /** dig's "Query time" by name, microseconds. */
  readonly digTimesUs: ReadonlyMap<string, number>;
  /** By name. */
  readonly lookups: ReadonlyMap<string, GlibcLookup>;
}

export interface DnsExperiment {
  readonly truths: readonly Truth[];
  readonly witnessed: Readonly<Record<Side, readonly WitnessedDnsMessage[]>>;
  readonly asker: AskerAccount;
  readonly clientAddress: string;
  readonly serverAddress: string;
  readonly clientNetns: number;
  readonly serverNetns: number;
  readonly serverPid: number;
  /** What getaddrinfo() can have taken, by name. */
  readonly nameLookups: ReadonlyMap<string, Range>;
  /** Datagrams that the server's socket dropped, as /proc/net/udp counts them. */
  readonly drops: number;
}

function questionsOf(testCase: DnsCase, names: readonly string[]): readonly string[] {
  return names.flatMap((name) =>
    testCase.queries.filter(({ attempt }) => attempt === 1).map(({ type }) => `${name}/${type}`),
  );
}

async function ask(
  lab: Lab,
  testCase: DnsCase,
  address: string,
  names: readonly string[],
): Promise<AskerAccount> {
  const { asker } = testCase;
  const { path } = lab.relay.namespace('a');
  const nothing = { asked: [], received: [], digTimesUs: new Map(), lookups: new Map() };
  switch (asker.by) {
    case 'client': {
      const client = await lab.dnsClient('a', {
        ...asker.options,
        address,
        questions: questionsOf(testCase, names),
        name: clientName,
      });
      await client.done(30_000);
      return { ...nothing, pids: [client.pid], asked: client.asked, received: client.received };
    }
    case 'dig': {
      const pids: number[] = [];
      const digTimesUs = new Map<string, number>();
      for (const name of names) {
        const answer = await dig(path, `@${address}`, ...asker.args, name, 'A');
        if (answer.queryTimeUs === undefined) throw new Error(`dig had no answer:\n${answer.text}`);
        pids.push(answer.pid);
        digTimesUs.set(name, answer.queryTimeUs);
      }
      return { ...nothing, pids, digTimesUs };
    }
    case 'glibc': {
      const lookups = new Map<string, GlibcLookup>();
      for (const name of names) {
        const lookup = await glibcLookup(path, name, { ...asker.options, nameserver: address });
        if (lookup.addresses.length > 0 !== (testCase.lookupResult === undefined))
          throw new Error(`getaddrinfo() of ${name} found ${lookup.addresses.length} addresses`);
        lookups.set(name, lookup);
      }
      return { ...nothing, pids: [...lookups.values()].map(({ pid }) => pid), lookups };
    }
  }
}

/** How many answers the server sends in the end, to whomever. */
function answerCount(testCase: DnsCase): number {
  if (testCase.suspended || /^silent/.test(testCase.behaviour)) return 0;
  return testCase.names * testCase.queries.length * (testCase.behaviour.includes('twice') ? 2 : 1);
}

/** The packets that one side's device carried. */
function packetsAt(side: Side, packets: readonly RelayedPacket[]): number {
  return packets.filter(({ from, sentUs }) => from === side || sentUs !== undefined).length;
}

/** Resolves once every query and every answer has crossed the wire. */
async function untilAllSent(lab: Lab, testCase: DnsCase, server: DnsServer): Promise<void> {
  const queries = testCase.queries.filter(({ transport }) => transport === 'udp').length * testCase.names;
  await lab.relay.untilPackets(
    ({ from, kind, sentUs }) => from === 'a' && kind === 'udp' && sentUs !== undefined,
    queries,
  );
  if (!testCase.suspended) await server.untilQueries(testCase.queries.length * testCase.names);
  const count = answerCount(testCase);
  await server.untilAnswers(count, 30_000);
  const datagrams = server.answers.filter(({ transport }) => transport === 'udp').length;
  await lab.relay.untilPackets(
    ({ from, kind, sentUs }) => from === 'b' && kind === 'udp' && sentUs !== undefined,
    datagrams,
  );
}

/** What getaddrinfo() took at least, from its first query to its last one or the answer to an attempt that it made, and at most, the whole process. */
function nameLookupRanges(asker: AskerAccount, truths: readonly Truth[]): ReadonlyMap<string, Range> {
  return new Map(
    [...asker.lookups].map(([name, { startedUs, endedUs }]) => {
      const own = truths.filter((truth) => truth.name === name);
      const startUs = Math.min(...own.map(({ askedUs }) => askedUs));
      const inTime = own.filter(({ expected }) => expected.client.lateReason !== 'socket_closed');
      const endsUs = inTime.map((truth) => truth.askedUs + (truth.clientLatency?.leastUs ?? 0));
      const leastUs = Math.max(...endsUs) - startUs;
      return [name, { leastUs, mostUs: endedUs - startedUs }];
    }),
  );
}

/** Runs the traffic of one case in a lab of its own; the names end in `suffix`. */
export async function runDnsExperiment(
  testCase: DnsCase,
  family: Family,
  number: number,
  suffix: string,
): Promise<DnsExperiment> {
  await using lab = await Lab.create({ number, delayUs: oneWayDelayUs });
  const [captureA, captureB] = await Promise.all([lab.capture('a'), lab.capture('b')]);
  const server = await lab.dnsServer('b', {
    name: serverName,
    receiveBuffer: testCase.suspended ? smallReceiveBuffer : undefined,
  });
  if (testCase.suspended) server.suspend();
  const behaviour = testCase.behaviour === '' ? '' : `${testCase.behaviour}.`;
  const names = Array.from({ length: testCase.names }, (_, index) => `${behaviour}n${index}.${suffix}`);
  const serverAddress = lab.address('b', family);
  const asker = await ask(lab, testCase, serverAddress, names);
  await untilAllSent(lab, testCase, server);

  const packets = await lab.relay.packets();
  const drops = testCase.suspended ? await datagramDrops(lab.relay.namespace('b').path, 53) : 0;
  const [a, b] = await Promise.all([
    captureA.dnsMessages(packetsAt('a', packets)),
    captureB.dnsMessages(packetsAt('b', packets)),
  ]);
  const truths = deriveTruths(testCase, packets, asker, server, a);
  return {
    truths,
    witnessed: { a, b },
    asker,
    clientAddress: lab.address('a', family),
    serverAddress,
    clientNetns: lab.relay.namespace('a').inode,
    serverNetns: lab.relay.namespace('b').inode,
    serverPid: server.pid,
    nameLookups: nameLookupRanges(asker, truths),
    drops,
  };
}
