import { type Family, Lab } from '../../lab/lab.js';
import type { RelayedPacket, Side } from '../../lab/relay.js';
import type { WitnessedHandshake } from '../../lab/witnessed-handshake.js';
import type { AccuracyCase } from './cases.js';
import { deriveTruths, type Truth } from './truth.js';

/** One way; a round trip takes twice that. */
export const oneWayDelayUs = 25_000;
export const connectionsPerCase = 5;
export const clientName = 'accuracy-client';
export const serverName = 'accuracy-server';

export interface Experiment {
  readonly truths: readonly Truth[];
  readonly witnessed: Readonly<Record<Side, readonly WitnessedHandshake[]>>;
  readonly clientAddress: string;
  readonly serverAddress: string;
  readonly clientNetns: number;
  readonly serverNetns: number;
  readonly clientPid: number;
  /** null: nobody listened. */
  readonly serverPid: number | null;
}

/** The packets that one side's device carried. */
function packetsAt(side: Side, packets: readonly RelayedPacket[]): number {
  return packets.filter(({ from, sentUs }) => from === side || sentUs !== undefined).length;
}

/** Runs the traffic of one case in a lab of its own. */
export async function runExperiment(
  testCase: AccuracyCase,
  family: Family,
  number: number,
): Promise<Experiment> {
  await using lab = await Lab.create({ number, delayUs: oneWayDelayUs });
  const [captureA, captureB] = await Promise.all([lab.capture('a'), lab.capture('b')]);
  if (testCase.synRetries !== undefined)
    await lab.setting('a', 'net.ipv4.tcp_syn_retries', testCase.synRetries);
  for (const drop of testCase.drops) await lab.relay.drop(drop);

  const { acceptDelayMs, giveUpMs } = testCase;
  const server = testCase.listening
    ? await lab.server('b', { family, acceptDelayMs, name: serverName })
    : undefined;
  const client = await lab.client('a', {
    address: lab.address('b', family),
    port: server?.address.port ?? 9,
    count: connectionsPerCase,
    intervalUs: 4_000,
    giveUpMs,
    name: clientName,
  });
  const connects = await client.connects(connectionsPerCase, 30_000);
  if (testCase.server === 'established') await server?.accepts(connectionsPerCase);
  if (testCase.server === 'reset')
    await lab.relay.untilPackets(({ from, kind }) => from === 'a' && kind === 'rst', connectionsPerCase);

  const packets = await lab.relay.packets();
  const experiment = {
    truths: deriveTruths(testCase.client, packets, connects, server?.accepted ?? []),
    clientAddress: lab.address('a', family),
    serverAddress: lab.address('b', family),
    clientNetns: lab.relay.namespace('a').inode,
    serverNetns: lab.relay.namespace('b').inode,
    clientPid: client.pid,
    serverPid: server?.pid ?? null,
  };
  const [a, b] = await Promise.all([
    captureA.handshakes(packetsAt('a', packets)),
    captureB.handshakes(packetsAt('b', packets)),
  ]);
  return { ...experiment, witnessed: { a, b } };
}

export const lossyConnections = 400;

/** What tshark saw of many connections over a path that loses 2 % of the packets of each direction, at random. */
export async function runLossyExperiment(
  family: Family,
  number: number,
): Promise<Omit<Experiment, 'truths'>> {
  await using lab = await Lab.create({ number, delayUs: 5_000 });
  const [captureA, captureB] = await Promise.all([lab.capture('a'), lab.capture('b')]);
  await lab.relay.loss('a', 2, number + 1);
  await lab.relay.loss('b', 2, number + 1);
  const server = await lab.server('b', { family, backlog: 1_024, name: serverName });
  const client = await lab.client('a', {
    ...server.address,
    count: lossyConnections,
    intervalUs: 2_000,
    name: clientName,
  });
  await client.connects(lossyConnections, 60_000);
  await server.accepts(lossyConnections, 60_000);
  const packets = await lab.relay.packets();
  const [a, b] = await Promise.all([
    captureA.handshakes(packetsAt('a', packets)),
    captureB.handshakes(packetsAt('b', packets)),
  ]);
  return {
    witnessed: { a, b },
    clientAddress: lab.address('a', family),
    serverAddress: lab.address('b', family),
    clientNetns: lab.relay.namespace('a').inode,
    serverNetns: lab.relay.namespace('b').inode,
    clientPid: client.pid,
    serverPid: server.pid,
  };
}
