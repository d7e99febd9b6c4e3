import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { type Family, Lab, labUnavailable } from './lab.ts';
import { buildLabTools, relayFile } from './tools.ts';

const families: readonly Family[] = ['ipv4', 'ipv6'];

function between(value: number | undefined, least: number, most: number): void {
  expect(value).toBeGreaterThanOrEqual(least);
  expect(value).toBeLessThanOrEqual(most);
}

/** A lab with 25 ms each way, one server and the ends of `count` connects to it. */
async function connect(lab: Lab, family: Family, count = 1) {
  const server = await lab.server('b', { family });
  // Apart, so that the machine's business of one moment is not that of all.
  const client = await lab.client('a', { ...server.address, count, intervalUs: 10_000 });
  return { server, port: server.address.port, connects: await client.connects(count) };
}

describe.skipIf(labUnavailable()).for(families)('the network lab over %s', (family) => {
  test('delays each direction by what was asked for, within a millisecond of the round trip', async () => {
    await using lab = await Lab.create({ delayUs: 25_000 });
    const { server, connects } = await connect(lab, family, 3);
    expect(connects.map(({ error }) => error)).toEqual(['', '', '']);
    // The fastest one: how soon the others' threads were woken is the machine's business.
    between(Math.min(...connects.map(({ startedUs, endedUs }) => endedUs - startedUs)), 50_000, 51_000);
    expect(await server.accepts(3)).toHaveLength(3);
    const delays = (await lab.relay.packets()).map(({ arrivedUs, sentUs = 0 }) => sentUs - arrivedUs);
    between(Math.min(...delays), 25_000, 25_500);
  });

  test('drops the first SYN of each connection, which the client then sends again', async () => {
    await using lab = await Lab.create({ delayUs: 5_000 });
    await lab.relay.drop({ kind: 'syn', first: 1, eachConnection: true });
    const { connects } = await connect(lab, family, 2);
    const packets = await lab.relay.packets();
    for (const { local, startedUs, endedUs } of connects) {
      const syns = packets.filter((packet) => packet.kind === 'syn' && packet.source.port === local.port);
      expect(syns.map((syn) => syn.droppedBy)).toEqual(['rule', undefined]);
      const waitedUs = (syns[1]?.arrivedUs ?? 0) - (syns[0]?.arrivedUs ?? 0);
      between(waitedUs, 900_000, 1_100_000);
      between(endedUs - startedUs, waitedUs + 10_000, waitedUs + 15_000);
    }
  });

  test('drops the bare ACK that ends the handshake, after which the server repeats its SYN-ACK', async () => {
    await using lab = await Lab.create({ delayUs: 5_000 });
    await lab.relay.drop({ kind: 'ack', first: 1, from: 'a' });
    const { server } = await connect(lab, family);
    await server.accepts(1);
    expect((await lab.relay.packets()).filter(({ kind }) => kind === 'synack')).toHaveLength(2);
    expect((await lab.relay.stats()).a.droppedByRule).toBe(1);
  });

  test('tells of each handshake what tshark sees of it', async () => {
    await using lab = await Lab.create({ delayUs: 5_000 });
    const capture = await lab.capture('a');
    await lab.relay.drop({ kind: 'syn', first: 1 });
    const { connects } = await connect(lab, family, 3);
    const packets = await lab.relay.packets();
    const witnessed = await capture.handshakes(packets.length);
    expect(witnessed.map(({ client }) => client.port).sort()).toEqual(
      connects.map(({ local }) => local.port).sort(),
    );
    const unseenUs = witnessed.map(({ client, syns, synRetransmissions, firstSynToAckUs }) => {
      const ofThis = packets.filter(({ kind, source }) => kind === 'syn' && source.port === client.port);
      expect([syns, synRetransmissions]).toEqual([ofThis.length, ofThis.length - 1]);
      const connect = connects.find(({ local }) => local.port === client.port);
      const tookUs = (connect?.endedUs ?? 0) - (connect?.startedUs ?? 0);
      return tookUs - (firstSynToAckUs ?? 0);
    });
    // How soon a thread was woken is the machine's business.
    between(Math.min(...unseenUs), 0, 2_000);
  });

  test('a connect that nobody answers is given up after its time', async () => {
    await using lab = await Lab.create();
    await lab.relay.drop({ kind: 'any', port: 9 });
    const client = await lab.client('a', { address: lab.address('b', family), port: 9, giveUpMs: 50 });
    const [connect] = await client.connects(1);
    expect(connect?.gaveUp).toBe(true);
    between((connect?.endedUs ?? 0) - (connect?.startedUs ?? 0), 50_000, 60_000);
  });

  test('a server that accepts late lets the connection wait in its queue', async () => {
    await using lab = await Lab.create();
    const server = await lab.server('b', { family, acceptDelayMs: 100 });
    await lab.client('a', { ...server.address });
    const [accept] = await server.accepts(1);
    between((accept?.acceptedUs ?? 0) - (accept?.noticedUs ?? 0), 100_000, 110_000);
  });
});

describe.skipIf(labUnavailable())('the relay', () => {
  test('loses the same packets for the same seed', async () => {
    const losses: string[] = [];
    for (let run = 0; run < 2; run++) {
      await using lab = await Lab.create();
      await lab.relay.loss('a', 30, 7);
      await lab.setting('a', 'net.ipv4.tcp_syn_retries', 1);
      for (let i = 0; i < 10; i++) {
        // The port is closed, so that exactly one packet of each connect goes this way.
        await using client = await lab.client('a', {
          address: lab.address('b', 'ipv4'),
          port: 9,
          giveUpMs: 20,
        });
        await client.connects(1);
      }
      const sent = (await lab.relay.packets()).filter(({ from }) => from === 'a');
      losses.push(sent.map(({ droppedBy }) => droppedBy ?? '-').join());
    }
    expect(losses[0]).toContain('loss');
    expect(losses[1]).toBe(losses[0]);
  });

  test('refuses a command that it does not understand and says how it is used', async () => {
    await using lab = await Lab.create();
    await expect(lab.relay.command('delay c 5')).rejects.toThrow('usage: delay a|b MICROSECONDS');
    await expect(lab.relay.command('drop syn 0')).rejects.toThrow('usage: drop');
    await expect(lab.relay.command('fold')).rejects.toThrow('unknown command');
  });

  test('ends, and its namespaces with it, when the process that started it is killed', async () => {
    await buildLabTools();
    const script = `const child = require('node:child_process').spawn(process.argv[1], { stdio: ['pipe', 'pipe', 'inherit'] });
      child.stdout.once('data', (line) => console.log(JSON.parse(line).pid));`;
    const parent = spawn(process.execPath, ['-e', script, relayFile], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [line] = (await once(parent.stdout, 'data')) as [Buffer];
    const relay = Number(line.toString());
    const runs = () => existsSync(`/proc/${relay}/exe`); // not there for a process that only waits to be reaped
    expect(runs()).toBe(true);
    parent.kill('SIGKILL');
    await expect.poll(runs, { timeout: 5_000 }).toBe(false);
  });
});
