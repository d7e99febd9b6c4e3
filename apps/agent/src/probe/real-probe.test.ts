import { createSocket, type Socket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { existsSync, readFileSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { fileURLToPath } from 'node:url';
import {
  DnsOutcome,
  DnsSide,
  type HandshakeColumns,
  HandshakeRole,
  Probe,
  SessionState,
} from '@synscope/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AgentHarness } from '../testing/agent-harness.js';
import { desiredSession } from '../testing/desired-session.js';
import { wireName } from '../testing/record-bytes.js';
import type { AgentStream } from '../testing/test-control-plane.js';

const PROBE = fileURLToPath(new URL('../../../../bpf/.build/synscope-probe', import.meta.url));
// What the probe needs to load anything; bpf/README.md tells the rest.
const canTrace = process.getuid?.() === 0 && existsSync('/sys/kernel/btf/vmlinux');

let harness: AgentHarness;
let server: Server;
let resolver: Socket | undefined;
let port: number;
beforeEach(async () => {
  if (!existsSync(PROBE)) throw new Error(`${PROBE} is missing: npm run build first`);
  harness = await AgentHarness.start();
  server = createServer((socket) => socket.end());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  port = address.port;
});
afterEach(async ({ task }) => {
  await harness.stop();
  await new Promise((resolve) => server.close(resolve));
  resolver?.close();
  resolver = undefined;
  if (task.result?.state === 'fail') console.error(harness.log.lines.join('\n'));
});

/** One connection to the server, from a port that it returns. */
function handshake(): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => {
      resolve(socket.localPort ?? 0);
      socket.end();
    });
    socket.once('error', reject);
  });
}

/** The batch that has the record of this role between these ports, and its row. */
async function record(stream: AgentStream, role: HandshakeRole, localPort: number, remotePort: number) {
  const rowIn = (columns: HandshakeColumns | undefined) =>
    columns?.role.findIndex(
      (held, i) =>
        held === role && columns.localPort[i] === localPort && columns.remotePort[i] === remotePort,
    ) ?? -1;
  // Client and server half may share a batch: the other half is looked for in the same one.
  const batch = await stream.batches.next(({ handshakes }) => rowIn(handshakes) >= 0);
  stream.batches.push(batch);
  const columns = batch.handshakes as HandshakeColumns;
  return { columns, row: rowIn(columns) };
}

describe.runIf(canTrace)('the agent with the real probe', () => {
  it('hands on both halves of a handshake as the kernel saw them, and again after the probe was killed', async () => {
    const agent = harness.agent({ probe: PROBE });
    await agent.start();
    const stream = await harness.plane.nextStream();
    expect(stream.hello.capabilities).toContainEqual(
      expect.objectContaining({ name: 'tcp_handshake.client', available: true }),
    );
    const running = () =>
      stream.statuses.next(({ state, hooks }) => state === SessionState.RUNNING && hooks.length > 0);
    stream.desire(1n, [desiredSession(1)]);
    await running();

    const clientPort = await handshake();
    const client = await record(stream, HandshakeRole.CLIENT, clientPort, port);
    const backend = await record(stream, HandshakeRole.SERVER, port, clientPort);
    for (const { columns, row } of [client, backend]) {
      expect(columns.latencyUsPlusOne[row]).toBeGreaterThan(0n);
      expect(columns.latencyUsPlusOne[row]).toBeLessThan(1_000_000n);
      const nameIndex = (columns.processNameIndexPlusOne[row] ?? 0) - 1;
      expect(columns.processNames[nameIndex]).toBe(readFileSync(`/proc/${process.pid}/comm`, 'utf8').trim());
      const observedAtMs = Number(columns.baseObservedAtUs + (columns.observedAtDeltaUs[row] ?? 0n)) / 1000;
      expect(Math.abs(Date.now() - observedAtMs)).toBeLessThan(10_000);
    }
    expect(backend.columns.clientIsnPlusOne[backend.row]).toBe(client.columns.clientIsnPlusOne[client.row]);
    expect(backend.columns.serverIsnPlusOne[backend.row]).toBe(client.columns.serverIsnPlusOne[client.row]);
    expect(client.columns.netns[client.row]).toBe(backend.columns.netns[backend.row]);

    process.kill(probePid(), 'SIGKILL');
    await running();
    await record(stream, HandshakeRole.SERVER, port, await handshake());

    stream.desire(2n, []);
    await stream.statuses.next(({ state }) => state === SessionState.DONE);
  });

  it('hands on both sides of a DNS query, its name as the host lets it out', async () => {
    const agent = harness.agent({ probe: PROBE, queryNames: 'last-labels=2' });
    await agent.start();
    const stream = await harness.plane.nextStream();
    resolver = await echoingResolver();
    const { port: dnsPort } = resolver.address();
    stream.desire(1n, [desiredSession(1, { probes: [Probe.DNS], filter: { dnsPorts: [dnsPort] } })]);
    const { hooks, error } = await stream.statuses.next(({ state }) => state === SessionState.RUNNING);
    expect(hooks).not.toEqual([]);
    expect(error).toBe('');

    const clientPort = await ask(dnsPort, 'Secret.Synscope.Example', 28);
    const sides: DnsSide[] = [];
    while (sides.length < 2) {
      const { dnsQueries } = await stream.batches.next((batch) => batch.dnsQueries !== undefined);
      if (dnsQueries === undefined) continue;
      dnsQueries.clientPort.forEach((held, i) => {
        if (held !== clientPort) return;
        expect(dnsQueries.queryNames[dnsQueries.queryNameIndex[i] ?? -1]).toBe('*.synscope.example');
        expect(dnsQueries.queryType[i]).toBe(28);
        expect(dnsQueries.outcome[i]).toBe(DnsOutcome.ANSWERED);
        expect(dnsQueries.pid[i]).toBe(process.pid);
        sides.push(dnsQueries.side[i] as DnsSide);
      });
    }
    expect(sides.sort()).toEqual([DnsSide.CLIENT, DnsSide.RESOLVER]);
  });

  it('hands on calls of getaddrinfo()', async () => {
    const agent = harness.agent({ probe: PROBE });
    await agent.start();
    const stream = await harness.plane.nextStream();
    stream.desire(1n, [
      desiredSession(1, { probes: [Probe.NAME_LOOKUP], filter: { queryNames: ['localhost'] } }),
    ]);
    await stream.statuses.next(({ state }) => state === SessionState.RUNNING);
    await lookup('localhost', { family: 4 });
    for (;;) {
      const { nameLookups } = await stream.batches.next((batch) => batch.nameLookups !== undefined);
      const row = nameLookups?.pid.indexOf(process.pid) ?? -1;
      if (nameLookups === undefined || row < 0) continue;
      expect(nameLookups.names[nameLookups.nameIndex[row] ?? -1]).toBe('localhost');
      expect(nameLookups.resultCode[row]).toBe(0);
      expect(nameLookups.family[row]).toBe(2);
      break;
    }
  });

  it('hands on listening sockets, with the counters of their network namespace', async () => {
    const agent = harness.agent({ probe: PROBE });
    await agent.start();
    const stream = await harness.plane.nextStream();
    stream.desire(1n, [desiredSession(1, { probes: [Probe.LISTENER], filter: { localPorts: [port] } })]);
    await stream.statuses.next(({ state }) => state === SessionState.RUNNING);
    let syns = 0n;
    for (;;) {
      await handshake();
      const { listeners } = await stream.batches.next((batch) => batch.listeners !== undefined);
      if (listeners === undefined) continue;
      expect(listeners.localPort.every((held) => held === port)).toBe(true);
      syns += listeners.syns.reduce((sum, more) => sum + more, 0n);
      // Known once they have been read twice.
      const known = listeners.netnsListenDropsPlusOne.some((value) => value > 0n);
      if (syns === 0n || !known || !listeners.pid.includes(process.pid)) continue;
      expect(listeners.synsRefusedUnexplained).toEqual(listeners.syns.map(() => 0n));
      break;
    }
  });
});

/** A resolver that answers each query with itself, marked as an answer. */
async function echoingResolver(): Promise<Socket> {
  const socket = createSocket('udp4');
  socket.on('message', (query, { port: clientPort, address }) => {
    const answer = Buffer.from(query);
    // QR, RFC 1035 §4.1.1.
    answer.writeUInt8(0x80 | answer.readUInt8(2), 2);
    socket.send(answer, clientPort, address);
  });
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  return socket;
}

/** Asks for a name and waits for the answer; the port that was asked from. */
async function ask(dnsPort: number, name: string, type: number): Promise<number> {
  const client = createSocket('udp4');
  const header = Buffer.of(0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0);
  const query = Buffer.concat([header, wireName(name), Buffer.of(0, type, 0, 1)]);
  const answered = new Promise((resolve) => client.once('message', resolve));
  client.send(query, dnsPort, '127.0.0.1');
  await answered;
  const clientPort = client.address().port;
  client.close();
  return clientPort;
}

/** The one that the agent in this process has started. */
function probePid(): number {
  const children = readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8').trim().split(' ');
  const probe = children.find((pid) =>
    readFileSync(`/proc/${pid}/comm`, 'utf8').startsWith('synscope-probe'),
  );
  if (probe === undefined) throw new Error('no probe runs');
  return Number(probe);
}
