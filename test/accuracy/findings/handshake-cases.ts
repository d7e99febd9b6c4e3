import type { Connect } from '../../lab/endpoint.js';
import type { Drop, RelayedPacket } from '../../lab/relay.js';
import type { FaultCase } from './cases.js';
import { atLeast, exactly, type Scene } from './scene.js';

const connections = 4;
const oneWayDelayUs = 5_000;
const timeoutMs = 30_000;

async function setDelay({ lab }: Scene, us: number): Promise<void> {
  await lab.relay.delay('a', us);
  await lab.relay.delay('b', us);
}

const tookMs = ({ startedUs, endedUs }: Connect) => Math.round((endedUs - startedUs) / 1_000);
const startsUs = (connects: readonly Connect[]) => connects.map(({ startedUs }) => startedUs);
const fastestMs = (connects: readonly Connect[]) => Math.min(...connects.map(tookMs));
const slowestMs = (connects: readonly Connect[]) => Math.max(...connects.map(tookMs));
const lost = (packets: readonly RelayedPacket[], kind: RelayedPacket['kind']) =>
  packets.filter((packet) => packet.kind === kind && packet.droppedBy === 'rule').length;

/** What the server's kernel says it dropped: nothing, where the wire is to blame. */
async function expectNoDropsAtServer({ lab, witness }: Scene): Promise<void> {
  witness.expect(
    'nstat: ListenDrops',
    (await lab.counters('b'))['TcpExtListenDrops'] ?? Number.NaN,
    exactly(0),
  );
}

/** Connections whose first packet of a kind is lost; all of them are accepted in the end. */
async function connectWithLoss(scene: Scene, drop: Pick<Drop, 'kind' | 'from'>): Promise<readonly Connect[]> {
  const { lab, family, names, witness } = scene;
  await setDelay(scene, oneWayDelayUs);
  await lab.relay.drop({ ...drop, first: 1, eachConnection: true });
  const server = await lab.server('b', { family, name: names.server });
  const client = await lab.client('a', {
    ...server.address,
    count: connections,
    intervalUs: 10_000,
    name: names.client,
  });
  const connects = await client.connects(connections, timeoutMs);
  await server.accepts(connections, timeoutMs);
  witness.began(startsUs(connects));
  witness.expect(
    `relay: lost ${drop.kind}`,
    lost(await lab.relay.packets(), drop.kind as RelayedPacket['kind']),
    exactly(connections),
  );
  await expectNoDropsAtServer(scene);
  return connects;
}

const lossCases: readonly FaultCase[] = [
  {
    name: 'SYN lost',
    expected: {
      both: { codes: ['syn_lost_on_path'] },
      client: { codes: ['unexplained'] },
      server: { codes: [] },
    },
    run: async (scene) => {
      const connects = await connectWithLoss(scene, { kind: 'syn', from: 'a' });
      scene.witness.expect('fastest connect(), ms', fastestMs(connects), atLeast(900));
    },
  },
  {
    name: 'SYN-ACK lost',
    expected: {
      both: { codes: ['synack_lost'] },
      client: { codes: ['unexplained'], orElse: ['synack_lost'] },
      server: { codes: ['unexplained'] },
    },
    run: async (scene) => {
      const connects = await connectWithLoss(scene, { kind: 'synack', from: 'b' });
      scene.witness.expect('fastest connect(), ms', fastestMs(connects), atLeast(900));
    },
  },
  {
    name: 'third packet (ACK) lost',
    expected: {
      both: { codes: ['ack_lost'] },
      client: { codes: [] },
      server: { codes: ['unexplained'] },
    },
    run: async (scene) => {
      const connects = await connectWithLoss(scene, { kind: 'ack', from: 'a' });
      scene.witness.expect('slowest connect(), ms', slowestMs(connects), (ms) => ms < 900);
      const synAcks = (await scene.lab.relay.packets()).filter(({ kind }) => kind === 'synack').length;
      scene.witness.expect('relay: SYN-ACKs', synAcks, atLeast(2 * connections));
    },
  },
];

const failures = (connects: readonly Connect[], error: string) =>
  connects.filter((connect) => connect.error === error).length;

const failureCases: readonly FaultCase[] = [
  {
    name: 'closed port',
    expected: {
      both: { codes: ['port_closed'] },
      client: { codes: ['port_closed'] },
      server: { codes: [] },
    },
    run: async (scene) => {
      const { lab, family, names, witness } = scene;
      await setDelay(scene, oneWayDelayUs);
      const address = lab.address('b', family);
      const client = await lab.client('a', { address, port: 9, count: connections, name: names.client });
      const connects = await client.connects(connections, timeoutMs);
      witness.began(startsUs(connects));
      witness.expect('connect(): ECONNREFUSED', failures(connects, 'ECONNREFUSED'), exactly(connections));
      const resets = (await lab.relay.packets()).filter(({ from, kind }) => from === 'b' && kind === 'rst');
      witness.expect('relay: RSTs', resets.length, exactly(connections));
    },
  },
  {
    name: 'filtered',
    expected: {
      both: { codes: ['filtered'] },
      client: { codes: ['unexplained'] },
      server: { codes: [] },
    },
    run: async (scene) => {
      const { lab, family, names, witness } = scene;
      await setDelay(scene, oneWayDelayUs);
      await lab.setting('a', 'net.ipv4.tcp_syn_retries', 1); // given up after 3 s
      const open = await lab.server('b', { family, name: names.server });
      const filtered = await lab.server('b', { family, name: names.server });
      const { port } = filtered.address;
      await lab.relay.drop({ kind: 'syn', from: 'a', port });
      const connects = async (address: typeof open.address) =>
        await (await lab.client('a', { ...address, count: connections, name: names.client })).connects(
          connections,
          timeoutMs,
        );
      const [answered, unanswered] = await Promise.all([connects(open.address), connects(filtered.address)]);
      witness.began(startsUs(unanswered));
      witness.expect('connect(): ETIMEDOUT', failures(unanswered, 'ETIMEDOUT'), exactly(connections));
      witness.expect('the same to another port', failures(answered, 'ETIMEDOUT'), exactly(0));
      witness.expect('relay: lost syn', lost(await lab.relay.packets(), 'syn'), atLeast(2 * connections));
      await expectNoDropsAtServer(scene);
    },
  },
  {
    name: 'client gives up',
    expected: {
      both: { codes: ['application_gave_up'] },
      client: { codes: ['application_gave_up'] },
      server: { codes: [] },
    },
    run: async (scene) => {
      const { lab, family, names, witness } = scene;
      // A round trip of 800 ms: the answer comes after the application has gone, and before a SYN is sent again.
      await setDelay(scene, 400_000);
      const server = await lab.server('b', { family, name: names.server });
      const client = await lab.client('a', {
        ...server.address,
        count: connections,
        giveUpMs: 500,
        name: names.client,
      });
      const connects = await client.connects(connections, timeoutMs);
      witness.began(startsUs(connects));
      witness.expect(
        'poll(): no answer',
        connects.filter(({ gaveUp }) => gaveUp).length,
        exactly(connections),
      );
      const resets = ({ from, kind, sentUs }: RelayedPacket) =>
        from === 'a' && kind === 'rst' && sentUs !== undefined;
      await lab.relay.untilPackets(resets, connections, timeoutMs);
      const packets = await lab.relay.packets();
      witness.expect(
        'relay: SYNs',
        packets.filter(({ kind }) => kind === 'syn').length,
        exactly(connections),
      );
      witness.expect('relay: RSTs to the late SYN-ACKs', packets.filter(resets).length, exactly(connections));
    },
  },
  {
    name: 'slow accept()',
    expected: {
      both: { codes: ['slow_accept'] },
      client: { codes: [] },
      server: { codes: ['slow_accept'] },
    },
    run: async (scene) => {
      const { lab, family, names, witness } = scene;
      await setDelay(scene, oneWayDelayUs);
      // One after another: the last one waits for 2 s.
      const server = await lab.server('b', { family, acceptDelayMs: 500, name: names.server });
      const client = await lab.client('a', { ...server.address, count: connections, name: names.client });
      const connects = await client.connects(connections, timeoutMs);
      witness.began(startsUs(connects));
      const accepts = await server.accepts(connections, timeoutMs);
      witness.expect('slowest connect(), ms', slowestMs(connects), (ms) => ms < 900);
      const established = Math.max(...connects.map(({ endedUs }) => endedUs));
      const latestMs = Math.max(...accepts.map(({ acceptedUs }) => acceptedUs - established)) / 1_000;
      witness.expect('longest from connect() to accept(), ms', Math.round(latestMs), atLeast(1_500));
      await expectNoDropsAtServer(scene);
    },
  },
];

export const handshakeCases: readonly FaultCase[] = [...lossCases, ...failureCases];
