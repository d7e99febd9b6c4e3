import { datagramDrops } from '../../lab/kernel-account.js';
import type { RelayedPacket } from '../../lab/relay.js';
import { until } from '../../stack/until.js';
import type { FaultCase } from './cases.js';
import { atLeast, exactly, type Scene } from './scene.js';

const oneWayDelayUs = 5_000;
const timeoutMs = 60_000;

async function delayed({ lab }: Scene): Promise<void> {
  await lab.relay.delay('a', oneWayDelayUs);
  await lab.relay.delay('b', oneWayDelayUs);
}

/** Of queries that were asked: from the question to its answer, milliseconds. */
function answerMs(client: {
  readonly asked: readonly { index: number; sentUs: number }[];
  readonly received: readonly { index: number; receivedUs: number }[];
}) {
  return client.received.map(({ index, receivedUs }) => {
    const asked = client.asked.find((query) => query.index === index);
    return Math.round((receivedUs - (asked?.sentUs ?? Number.NaN)) / 1_000);
  });
}

const lostDatagrams = (packets: readonly RelayedPacket[], from: RelayedPacket['from']) =>
  packets.filter((packet) => packet.from === from && packet.kind === 'udp' && packet.droppedBy === 'rule')
    .length;

const overloaded: FaultCase = {
  name: 'resolver overloaded (receive queue full)',
  expected: {
    both: { codes: ['resolver_overloaded'] },
    client: { codes: ['unexplained'] },
    server: { codes: ['resolver_overloaded'] },
  },
  run: async (scene) => {
    const { lab, family, names, dnsPort: port, suffix, witness } = scene;
    await delayed(scene);
    const { path } = lab.relay.namespace('b');
    const server = await lab.dnsServer('b', { port, name: names.server, receiveBuffer: 4_096 });
    server.suspend();
    const questions = Array.from({ length: 40 }, (_, index) => `n${index}.${suffix}/A`);
    const client = await lab.dnsClient('a', {
      address: lab.address('b', family),
      port,
      questions,
      timeoutMs: 2_000,
      name: names.client,
    });
    const arrived = ({ from, kind, sentUs }: RelayedPacket) =>
      from === 'a' && kind === 'udp' && sentUs !== undefined;
    await lab.relay.untilPackets(arrived, questions.length, timeoutMs);
    await until(
      'dropped datagrams',
      async () => ((await datagramDrops(path, port)) > 0 ? true : undefined),
      timeoutMs,
    );
    server.resume();
    await client.done(timeoutMs);
    witness.began(client.asked.map(({ sentUs }) => sentUs));
    const drops = await datagramDrops(path, port);
    witness.unanswered = { client: drops, resolver: drops };
    witness.expect('/proc/net/udp: drops', drops, atLeast(1));
    witness.expect('relay: lost udp', lostDatagrams(await lab.relay.packets(), 'a'), exactly(0));
    await server.untilAnswers(questions.length - drops, timeoutMs);
    witness.expect('queries that the server read', server.queries.length, exactly(questions.length - drops));
  },
};

const slowUpstream: FaultCase = {
  name: 'resolver with slow upstream',
  expected: {
    both: { codes: ['resolver_slow_upstream'], beside: ['name_slow'] },
    client: { codes: ['name_slow'] },
    server: { codes: ['resolver_slow_upstream'], beside: ['name_slow'] },
  },
  run: async (scene) => {
    const { lab, family, ends, names, dnsPort: port, suffix, witness } = scene;
    await delayed(scene);
    // Out of sight of the client's end: on the resolver's loopback.
    const loopback = family === 'ipv4' ? '127.0.0.1' : '::1';
    const upstreamAddress = ends === 'client' ? loopback : lab.elsewhereAddress('b', family);
    const upstream = await lab.dnsServer('b', { addresses: [upstreamAddress], name: names.server });
    await lab.dnsmasq('b', family, upstreamAddress, port);
    const slow = ['d800.n0', 'd800.n1'].map((name) => `${name}.${suffix}/A`);
    const fast = ['n2', 'n3', 'n4', 'n5'].map((name) => `${name}.${suffix}/A`);
    const starts: number[] = [];
    const times: { slow: number[]; fast: number[] } = { slow: [], fast: [] };
    // A name that is slow each time, which a cache that is cold is not.
    for (let round = 0; round < 3; round++) {
      const ask = async (questions: readonly string[]) => {
        const client = await lab.dnsClient('a', {
          address: lab.address('b', family),
          port,
          questions,
          name: names.client,
        });
        await client.done(timeoutMs);
        starts.push(...client.asked.map(({ sentUs }) => sentUs));
        return answerMs(client);
      };
      const [slowMs, fastMs] = await Promise.all([ask(slow), ask(fast)]);
      times.slow.push(...slowMs);
      times.fast.push(...fastMs);
    }
    witness.began(starts);
    witness.expect('answers for slow names', times.slow.length, exactly(3 * slow.length));
    witness.expect('fastest of these, ms', Math.min(...times.slow), atLeast(800));
    witness.expect('answers for other names', times.fast.length, exactly(3 * fast.length));
    witness.expect('slowest of these, ms', Math.max(...times.fast), (ms) => ms < 800);
    witness.expect(
      'queries that the upstream read',
      upstream.queries.length,
      exactly(3 * (slow.length + fast.length)),
    );
  },
};

const lostOnPath: FaultCase = {
  name: 'DNS packets lost',
  expected: {
    both: { codes: ['dns_lost_on_path'] },
    client: { codes: ['unexplained'] },
    server: { codes: [] },
  },
  run: async (scene) => {
    const { lab, family, names, dnsPort: port, suffix, witness } = scene;
    await delayed(scene);
    const server = await lab.dnsServer('b', { port, name: names.server });
    const queryLost = [40_001, 40_002];
    const answerLost = [40_003, 40_004];
    for (const sourcePort of queryLost)
      await lab.relay.drop({ kind: 'udp', first: 1, from: 'a', port: sourcePort });
    for (const sourcePort of answerLost)
      await lab.relay.drop({ kind: 'udp', first: 1, from: 'b', port: sourcePort });
    const clients = await Promise.all(
      [...queryLost, ...answerLost].map((sourcePort, index) =>
        lab.dnsClient('a', {
          address: lab.address('b', family),
          port,
          questions: [`n${index}.${suffix}/A`],
          attempts: 3,
          timeoutMs: 1_000,
          sourcePort,
          name: names.client,
        }),
      ),
    );
    for (const client of clients) await client.done(timeoutMs);
    witness.began(clients.flatMap(({ asked }) => asked.map(({ sentUs }) => sentUs)));
    witness.unanswered = { client: clients.length, resolver: 0 };
    const packets = await lab.relay.packets();
    witness.expect('relay: lost queries', lostDatagrams(packets, 'a'), exactly(queryLost.length));
    witness.expect('relay: lost answers', lostDatagrams(packets, 'b'), exactly(answerLost.length));
    const answered = clients.filter(({ received }) => received.length > 0).length;
    witness.expect('answered in the end', answered, exactly(clients.length));
    witness.expect(
      '/proc/net/udp: drops',
      await datagramDrops(lab.relay.namespace('b').path, port),
      exactly(0),
    );
    await server.untilAnswers(clients.length + answerLost.length, timeoutMs);
  },
};

export const dnsCases: readonly FaultCase[] = [overloaded, slowUpstream, lostOnPath];
