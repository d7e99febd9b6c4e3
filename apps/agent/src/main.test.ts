// @peculiar/x509 needs it before it is loaded.
import 'reflect-metadata';
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { status } from '@grpc/grpc-js';
import { Pkcs10CertificateRequest } from '@peculiar/x509';
import { type Hello, SessionState } from '@synscope/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AgentHarness } from './testing/agent-harness.js';
import { desiredSession } from './testing/desired-session.js';

const LAUNCHER = fileURLToPath(new URL('../bin/synscope-agent', import.meta.url));
const MAIN = fileURLToPath(new URL('../dist/main.js', import.meta.url));

let harness: AgentHarness;
let started: ChildProcessByStdio<null, Readable, Readable>[];
beforeEach(async () => {
  if (!existsSync(MAIN)) throw new Error(`${MAIN} is missing: npm run build first`);
  started = [];
  harness = await AgentHarness.start();
});
afterEach(async () => {
  for (const child of started) child.kill('SIGKILL');
  await harness.stop();
});

/** The agent as it is shipped. */
function launch(argv: readonly string[], environment: NodeJS.ProcessEnv = {}) {
  const child = spawn(LAUNCHER, argv, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: process.env['PATH'],
      HOME: harness.dataDir,
      SYNSCOPE_NODE: process.execPath,
      ...environment,
    },
  });
  started.push(child);
  const ended = new Promise<number | NodeJS.Signals | null>((resolve) => {
    child.once('close', (code, signal) => resolve(signal ?? code));
  });
  return { child, ended, output: text(child.stdout), errors: text(child.stderr) };
}

const settings = () => ({
  SYNSCOPE_SERVER: harness.plane.address,
  SYNSCOPE_TOKEN: harness.plane.authority.joinToken('secret'),
  SYNSCOPE_DATA_DIR: harness.dataDir,
  SYNSCOPE_PROBE: harness.probe.path,
});

describe('synscope-agent', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)(
    'runs until %s, ends its probe and itself in order with status 0',
    async (signal) => {
      const { child, ended } = launch(['--label', 'env=prod'], settings());
      const stream = await harness.plane.nextStream();
      expect(stream.hello.labels).toEqual({ env: 'prod' });
      const run = await harness.probe.runs.next();
      stream.desire(1n, [desiredSession(1)]);
      await stream.statuses.next(({ state }) => state === SessionState.RUNNING);
      const { revision } = await run.configures.next();
      run.sendHandshakes([{ revision, slots: 1n, pid: 3 }]);
      child.kill(signal);
      expect(await run.configures.next()).toMatchObject({ slots: [] });
      await run.ended;
      expect(await ended).toBe(0);
      expect((await stream.batches.next()).handshakes?.pid).toEqual([3]);
    },
  );

  it('takes its probe along when it is killed itself', async () => {
    const { child } = launch([], settings());
    const run = await harness.probe.runs.next();
    child.kill('SIGKILL');
    await run.ended;
  });

  it('ends with status 1 and the reason when its token is refused', async () => {
    harness.plane.refuseEnrolment = { code: status.UNAUTHENTICATED, details: 'the join token has expired' };
    const { ended, errors } = launch([], settings());
    expect(await ended).toBe(1);
    expect(await errors).toMatch(
      /^synscope-agent: the control plane refused the join token: the join token has expired/,
    );
  });

  it('ends with status 2 and the way to the help on bad usage', async () => {
    const { ended, errors } = launch(['--server']);
    expect(await ended).toBe(2);
    expect(await errors).toContain("option '--server <host:port>' argument missing\nsynscope-agent --help");
  });

  it('ends with status 2 when it has neither an identity nor a token', async () => {
    const { ended, errors } = launch([], { ...settings(), SYNSCOPE_TOKEN: '' });
    expect(await ended).toBe(2);
    expect(await errors).toMatch(/not enrolled yet: make a join token/);
  });

  it('ends at once when it is told to while nobody answers', async () => {
    harness.plane.stop();
    const { child, ended } = launch([], settings());
    await new Promise((resolve) => child.stdout.once('data', resolve));
    child.kill('SIGTERM');
    expect(await ended).toBe(0);
  });

  it('prints its help', async () => {
    const { ended, output } = launch(['--help']);
    expect(await ended).toBe(0);
    expect(await output).toContain('Usage: synscope-agent');
  });

  it('has an identity that the control plane takes, whenever in the renewal of its certificate it is killed', async () => {
    const key = (request: Uint8Array) =>
      Buffer.from(new Pkcs10CertificateRequest(Uint8Array.from(request)).publicKey.rawData);
    const { plane } = harness;
    const hour = 3_600_000;
    // 2/3 are over: renewal is due at once.
    plane.agentValidity = {
      notBefore: new Date(Date.now() - 3 * hour),
      notAfter: new Date(Date.now() + hour),
    };

    // Killed before it is answered.
    const first = launch([], settings());
    const stream = await plane.nextStream();
    const asked = key(await stream.signingRequests.next());
    expect(asked).not.toEqual(stream.publicKey);
    first.child.kill('SIGKILL');
    await first.ended;

    // It asks for the same key again, is answered, and killed when it comes with the successor but was not welcomed yet.
    const second = launch([], settings());
    const again = await plane.nextStream();
    expect(again.publicKey).toEqual(stream.publicKey);
    const request = await again.signingRequests.next();
    expect(key(request)).toEqual(asked);
    plane.agentValidity = { notBefore: new Date(), notAfter: new Date(Date.now() + 24 * hour) };
    plane.welcoming = false;
    again.send({ case: 'certificate', value: await plane.certificateFor(request) });
    expect((await plane.nextStream()).publicKey).toEqual(asked);
    second.child.kill('SIGKILL');
    await second.ended;

    // It comes with the successor again, is welcomed, and killed at once.
    plane.welcoming = true;
    const third = launch([], settings());
    const proven = await plane.nextStream();
    expect(proven.publicKey).toEqual(asked);
    await proven.heartbeats.next();
    third.child.kill('SIGKILL');
    await third.ended;

    // Without a token: it needs none.
    const { SYNSCOPE_TOKEN: _, ...withoutToken } = settings();
    launch([], withoutToken);
    expect((await plane.nextStream()).publicKey).toEqual(asked);
    expect(readdirSync(harness.dataDir).filter((name) => name.includes('identity'))).toEqual([
      'identity.json',
    ]);
    expect(plane.enrolments.drain()).toHaveLength(1);
  });

  it.each([
    [
      'a copy of an identity that another host lives by',
      status.ALREADY_EXISTS,
      'another agent lives by this identity',
    ],
    ['another agent on its data directory', status.FAILED_PRECONDITION, 'another agent runs on this host'],
  ])('ends over %s with what to do, if it has no token', async (_, code, details) => {
    launch([], settings());
    await (await harness.plane.nextStream()).heartbeats.next();
    for (const child of started) child.kill('SIGKILL');
    const { SYNSCOPE_TOKEN: __, ...withoutToken } = settings();
    const { ended, errors } = launch([], withoutToken);
    (await harness.plane.nextStream()).fail(code, details);
    expect(await ended).toBe(1);
    expect(await errors).toContain(details);
  });

  it('does not start with a policy that is wrong, and names the field', async () => {
    const policy = join(harness.dataDir, 'policy.json');
    writeFileSync(policy, '{"probes": ["tcp"], "maxSampleRate": 2}');
    const { ended, errors } = launch(['--policy-file', policy], settings());
    expect(await ended).toBe(2);
    expect(await errors).toMatch(/policy\.json is wrong: probes\.0: .*; maxSampleRate: /);
  });

  it('reads its policy again at SIGHUP, tells of it, and ends what it no longer allows', async () => {
    const policy = join(harness.dataDir, 'policy.json');
    writeFileSync(policy, '{"maxSampleRate": 1}');
    const { child } = launch([], { ...settings(), SYNSCOPE_POLICY_FILE: policy });
    const stream = await harness.plane.nextStream();
    const told = (hello: Hello) => hello.capabilities.find(({ name }) => name === 'host_policy')?.detail;
    expect(told(stream.hello)).toBe('sample rate at most 1');
    stream.desire(1n, [desiredSession(1)]);
    await stream.statuses.next(({ state }) => state === SessionState.RUNNING);
    writeFileSync(policy, '{"probes": ["dns"]}');
    child.kill('SIGHUP');
    const again = await harness.plane.nextStream();
    expect(told(again.hello)).toBe('probes: dns');
    expect(again.hello.capabilities).toContainEqual(
      expect.objectContaining({ name: 'tcp_handshake.client', available: false }),
    );
    expect(again.hello.sessions).toMatchObject([
      { state: SessionState.FAILED, error: expect.stringContaining('the policy of this host (probes)') },
    ]);
  });
});
