import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadedPrograms, programsOf } from '../stack/bpf-programs.js';
import { connectTo, listenOnLoopback } from '../stack/loopback.js';
import { isRunning, processTree } from '../stack/processes.js';
import { allHandshakes, startSession, untilHandshakes } from '../stack/sessions.js';
import { Stack, temporaryDataDir } from '../stack/stack.js';
import { until } from '../stack/until.js';

describe.skipIf(process.getuid?.() !== 0)('stopping and starting again', () => {
  test('Ctrl-C leaves no process and no BPF program; the next start finds everything', {
    timeout: 180_000,
  }, async () => {
    const dataDir = await temporaryDataDir();
    try {
      let sessionId: string;
      let agentId: string;
      {
        await using stack = await Stack.start({ dataDir });
        const api = await stack.api();
        await using server = await listenOnLoopback();
        const session = await startSession(api, 'before');
        sessionId = session.id;
        await connectTo(server, 10);
        await untilHandshakes(api, session, 20);
        agentId = (await stack.untilAgentOnline()).id;

        const processes = processTree(stack.pid);
        expect(processes.map(({ name }) => name)).toEqual(
          expect.arrayContaining(['postgres', 'synscope-probe']),
        );
        const programs = processes.flatMap(({ name, pid }) =>
          name === 'synscope-probe' ? programsOf(pid) : [],
        );
        expect(programs).not.toEqual([]);
        stack.signal('SIGINT');
        expect(await stack.exited()).toBe(0);
        expect(processes.filter(isRunning)).toEqual([]);
        await until('unloaded programs', async () => {
          const loaded = await loadedPrograms();
          return !programs.some((id) => loaded.includes(id)) || undefined;
        });
      }
      await using stack = await Stack.start({ dataDir });
      const api = await stack.api();
      expect(await allHandshakes(api, { sessionId })).toHaveLength(20);
      expect((await stack.untilAgentOnline()).id).toBe(agentId);
      const { items } = await api.get<{ items: { id: string }[] }>('/api/v1/agents');
      expect(items).toHaveLength(1);
    } finally {
      await rm(dataDir, { recursive: true, force: true });
    }
  });

  test('Ctrl-C in the middle of the first start ends it, and a second start succeeds', {
    timeout: 180_000,
  }, async () => {
    const dataDir = await temporaryDataDir();
    try {
      {
        await using stack = await Stack.launch({ dataDir });
        await until('first step of the start', () => /database/i.test(stack.output) || undefined, 60_000);
        const processes = processTree(stack.pid);
        stack.signal('SIGINT');
        expect(await stack.exited()).not.toBe('SIGKILL');
        expect(processes.filter(isRunning)).toEqual([]);
      }
      await using stack = await Stack.start({ dataDir });
      expect((await stack.untilAgentOnline()).status).toBe('online');
    } finally {
      await rm(dataDir, { recursive: true, force: true });
    }
  });

  test('"npm start" ends on Ctrl-C with all that it started', { timeout: 180_000 }, async () => {
    await using stack = await Stack.start({ throughNpm: true });
    const processes = processTree(stack.pid);
    expect(processes.map(({ name }) => name)).toEqual(expect.arrayContaining(['postgres', 'synscope-probe']));
    stack.interruptGroup();
    await stack.exited();
    await until('end of every process', () => !processes.some(isRunning) || undefined);
    expect(stack.output).toContain('stopped; the data stays in');
  });

  // Below a file, and in a file system that takes no folders: not even root can make a directory there.
  test.each([join(import.meta.filename, 'data'), '/proc/synscope/data'])(
    'a start with a data directory that cannot be used says which and why: %s',
    {
      timeout: 60_000,
    },
    async (dataDir) => {
      await using stack = await Stack.launch({ dataDir });
      expect(await stack.exited()).toBe(1);
      expect(stack.output).toContain(dataDir);
      expect(stack.output).toContain('SYNSCOPE_DATA_DIR');
      expect(stack.output).not.toContain('    at '); // no stack trace
    },
  );

  test('a second control plane on the port of the first says so and leaves the first alone', {
    timeout: 180_000,
  }, async () => {
    await using first = await Stack.start({ args: ['--no-agent'] });
    await using second = await Stack.launch({ args: ['--no-agent'], httpPort: first.httpPort });
    expect(await second.exited(60_000)).toBe(1);
    expect(second.output).toContain(String(first.httpPort));
    expect(second.output).toContain('SYNSCOPE_HTTP_ADDR');
    await first.untilReady(5_000);
  });
});
