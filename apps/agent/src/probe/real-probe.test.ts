import { existsSync, readFileSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { fileURLToPath } from 'node:url';
import { type HandshakeColumns, HandshakeRole, SessionState } from '@synscope/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AgentHarness } from '../testing/agent-harness.js';
import { desiredSession } from '../testing/desired-session.js';
import type { AgentStream } from '../testing/test-control-plane.js';

const PROBE = fileURLToPath(new URL('../../../../bpf/.build/synscope-probe', import.meta.url));
// What the probe needs to load anything; bpf/README.md tells the rest.
const canTrace = process.getuid?.() === 0 && existsSync('/sys/kernel/btf/vmlinux');

let harness: AgentHarness;
let server: Server;
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
});

/** The one that the agent in this process has started. */
function probePid(): number {
  const children = readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8').trim().split(' ');
  const probe = children.find((pid) =>
    readFileSync(`/proc/${pid}/comm`, 'utf8').startsWith('synscope-probe'),
  );
  if (probe === undefined) throw new Error('no probe runs');
  return Number(probe);
}
