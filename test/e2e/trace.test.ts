import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Client } from '../lab/endpoint.js';
import type { Handshake, TraceSession } from '../stack/answers.js';
import type { Api } from '../stack/api.js';
import { attachedProgramsOf } from '../stack/bpf-programs.js';
import { clientName, connectTo, listenOnLoopback, serverName } from '../stack/loopback.js';
import { processTree } from '../stack/processes.js';
import { startSession, stopSession, untilHandshakes } from '../stack/sessions.js';
import { freePort, Stack } from '../stack/stack.js';
import { until } from '../stack/until.js';

const run = promisify(execFile);

describe.skipIf(process.getuid?.() !== 0)('a running Synscope', () => {
  let stack: Stack;
  let api: Api;

  beforeAll(async () => {
    stack = await Stack.start();
    api = await stack.api();
  });

  afterAll(async () => {
    await stack?.[Symbol.asyncDispose]();
  });

  function probePid(): number {
    const probe = processTree(stack.pid).find(({ name }) => name === 'synscope-probe');
    if (!probe) throw new Error('no synscope-probe runs');
    return probe.pid;
  }

  test.for(['127.0.0.1', '::1'])('reports both ends of each connection over %s', async (address) => {
    await using server = await listenOnLoopback(address);
    const session = await startSession(api, `both ends over ${address}`);
    await connectTo(server, 20);
    const records = await untilHandshakes(api, session, 40);
    expect(records).toHaveLength(40);
    for (const role of ['client', 'server'] as const) {
      const own = records.filter((record) => record.role === role);
      expect(own).toHaveLength(20);
      for (const record of own) {
        expect(record).toMatchObject({
          outcome: 'established',
          family: address === '::1' ? 'ipv6' : 'ipv4',
          sessionIds: [session.id],
          synRetransmits: role === 'client' ? 0 : record.synRetransmits,
          process: { name: role === 'client' ? clientName : serverName },
        });
        expect((role === 'client' ? record.remote : record.local).port).toBe(server.address.port);
        expect(record.latencyUs).toBeLessThan(1_000_000);
      }
    }
    const isnPairs = (role: Handshake['role']) =>
      records
        .filter((record) => record.role === role)
        .map((record) => `${record.clientIsn} ${record.serverIsn}`)
        .sort();
    expect(isnPairs('client')).toEqual(isnPairs('server'));
    await stopSession(api, session);
  });

  test('the curl lines that it printed work as pasted', async () => {
    const lines = stack.output.match(/^ *curl .*$/gm) ?? [];
    expect(lines).toHaveLength(2);
    for (const line of lines) {
      const { stdout } = await run('bash', ['-c', line.replace('curl ', 'curl --fail ')]);
      expect(typeof JSON.parse(stdout)).toBe('object');
    }
    const { items } = await api.get<{ items: TraceSession[] }>('/api/v1/trace-sessions?limit=1');
    await stopSession(api, items[0] as TraceSession);
  });

  test('reports a refused connect with the process that made it', async () => {
    const session = await startSession(api, 'refused');
    const port = await freePort();
    await using client = await Client.start(undefined, { address: '127.0.0.1', port, name: clientName });
    await client.connects(1);
    const [record] = await untilHandshakes(api, session, 1);
    expect(record).toMatchObject({
      role: 'client',
      outcome: 'refused',
      remote: { address: '127.0.0.1', port },
      process: { pid: client.pid, name: clientName },
    });
    await stopSession(api, session);
  });

  test('a stopped session takes no more records, while another one goes on', async () => {
    await using server = await listenOnLoopback();
    const stopped = await startSession(api, 'to be stopped');
    const other = await startSession(api, 'goes on');
    await connectTo(server, 5);
    await untilHandshakes(api, stopped, 10);
    expect((await stopSession(api, stopped)).state).toBe('stopped');
    await connectTo(server, 5);
    const records = await untilHandshakes(api, other, 20);
    expect(records).toHaveLength(20);
    expect(records.filter(({ sessionIds }) => sessionIds.includes(stopped.id))).toHaveLength(10);
    await stopSession(api, other);
  });

  test('a session ends by itself when its time is over', async () => {
    const session = await startSession(api, 'short', { durationSeconds: 2 });
    expect(session.state).toBe('running');
    const ended = await api.get<TraceSession>(`/api/v1/trace-sessions/${session.id}?wait=20s`);
    expect(ended.state).toBe('completed');
    expect(ended.targets).toMatchObject({ running: 0, done: 1 });
  });

  test('programs are attached to the kernel only while a session runs', async () => {
    const session = await startSession(api, 'attached');
    expect(attachedProgramsOf(probePid())).not.toEqual([]);
    await stopSession(api, session);
    await until('detached programs', () => attachedProgramsOf(probePid()).length === 0 || undefined);
  });
});
