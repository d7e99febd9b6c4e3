import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { TraceSession } from '../stack/answers.js';
import type { Api } from '../stack/api.js';
import { connectTo, listenOnLoopback } from '../stack/loopback.js';
import { isRunning, type Process, processTree } from '../stack/processes.js';
import { startSession, stopSession, untilHandshakes } from '../stack/sessions.js';
import { Stack } from '../stack/stack.js';
import { until } from '../stack/until.js';

describe.skipIf(process.getuid?.() !== 0)('a running Synscope that loses a part', () => {
  let stack: Stack;
  let api: Api;

  beforeAll(async () => {
    stack = await Stack.start();
    api = await stack.api();
  });

  afterAll(async () => {
    await stack?.[Symbol.asyncDispose]();
  });

  function find(name: string): Process {
    // Postgres has children of the same name: the first is the oldest.
    const found = processTree(stack.pid).find((process) => process.name === name);
    if (!found) throw new Error(`no ${name} runs`);
    return found;
  }

  async function readiness(): Promise<{ status: number; text: string }> {
    const response = await fetch(`${stack.url}/readyz`);
    return { status: response.status, text: await response.text() };
  }

  test('Postgres killed: readiness says so, and every handshake of the outage is stored once it is back', {
    timeout: 120_000,
  }, async () => {
    await using server = await listenOnLoopback();
    const session = await startSession(api, 'outage');
    await connectTo(server, 50);
    await untilHandshakes(api, session, 100);

    // Stopped first, so that the outage lasts until we have seen it: the supervisor starts a server that has ended at once.
    const postgres = find('postgres');
    for (const { pid } of processTree(postgres.pid).toReversed()) process.kill(pid, 'SIGSTOP');
    await connectTo(server, 50);
    const unready = await until('unready answer', async () => {
      const answer = await readiness();
      return answer.status === 503 ? answer : undefined;
    });
    expect(unready.text).toMatch(/database|postgres/i);
    for (const { pid } of processTree(postgres.pid)) process.kill(pid, 'SIGKILL');

    await until('end of the killed server', () => !isRunning(postgres) || undefined);
    await connectTo(server, 50);
    await stack.untilReady(60_000);
    expect(await untilHandshakes(api, session, 300, 60_000)).toHaveLength(300);
    const ended = await stopSession(api, session);
    expect(ended.loss.records).toBe(0);
  });

  test('probe killed: the agent starts it again, and the session goes on', {
    timeout: 60_000,
  }, async () => {
    await using server = await listenOnLoopback();
    const session = await startSession(api, 'killed probe');
    await connectTo(server, 10);
    await untilHandshakes(api, session, 20);
    const killed = find('synscope-probe');
    process.kill(killed.pid, 'SIGKILL');
    const successor = await until('another probe', () =>
      processTree(stack.pid).find(({ name, pid }) => name === 'synscope-probe' && pid !== killed.pid),
    );
    expect(successor.parent).toBe(killed.parent);
    // Connects until its records arrive: when the new probe has attached shows in nothing else.
    const seen = await until('records of the new probe', async () => {
      await connectTo(server, 1);
      const records = await untilHandshakes(api, session, 22, 500).catch(() => []);
      return records.length >= 22 ? records : undefined;
    });
    expect(seen.length % 2).toBe(0);
    expect((await stopSession(api, session)).state).toBe('stopped');
  });

  test('agent killed: it is started again with the same identity, and the session goes on', {
    timeout: 60_000,
  }, async () => {
    await using server = await listenOnLoopback();
    const session = await startSession(api, 'killed agent');
    const before = await stack.untilAgentOnline();
    const probe = find('synscope-probe');
    process.kill(probe.parent, 'SIGKILL');
    await until('end of the orphaned probe', () => !isRunning(probe) || undefined);
    await until(
      'records of the new agent',
      async () => {
        await connectTo(server, 1);
        return (await untilHandshakes(api, session, 2, 500).catch(() => undefined)) && true;
      },
      30_000,
    );
    expect((await stack.untilAgentOnline()).id).toBe(before.id);
    const stopped: TraceSession = await stopSession(api, session);
    expect(stopped.targets.matched).toBe(1);
  });
});
