import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SessionState } from '@synscope/protocol';
import { uuidText } from '@synscope/testing';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { DatabasePool } from '../../apps/control-plane/src/database/database-pool.ts';
import { type TestFleet, testFleet } from '../../apps/control-plane/src/testing/fleet.ts';
import {
  startTestApplication,
  type TestApplication,
} from '../../apps/control-plane/src/testing/test-application.ts';
import { type CliOptions, type CliResult, runCli } from './run-cli.ts';

let application: TestApplication;
let fleet: TestFleet;
let environment: Readonly<Record<string, string>>;
beforeAll(async () => {
  application = await startTestApplication();
  fleet = testFleet(application);
  environment = { SYNSCOPE_URL: application.baseUrl, SYNSCOPE_TOKEN: application.adminToken };
});
afterEach(() => fleet.close());
afterAll(() => application.close());

const cli = (argv: readonly string[], options: CliOptions = {}): Promise<CliResult> =>
  runCli(argv, { environment, ...options });
const rows = (text: string) => text.trimEnd().split('\n').slice(1);

describe('synscope agents', () => {
  it('lists those that match', async () => {
    await fleet.agent({ test: 'agents', role: 'web' }, { hello: { hostname: 'agents-1' } });
    await fleet.agent({ test: 'agents', role: 'db' });
    const { status, output } = await cli(['agents', '--selector', 'test=agents,role=web']);
    expect(status).toBe(0);
    expect(rows(output)).toEqual([expect.stringMatching(/^[0-9a-f-]{36} +agents-1 +online .*role=web/)]);
    const check = await cli(['agents', '--selector', 'test=agents', '--status', 'offline', '--fail-if-any']);
    expect(check.status).toBe(0);
  });

  it('cuts names, not ids, where the terminal is narrow', async () => {
    const hostname = `${'long-'.repeat(12)}name`;
    await fleet.agent({ test: 'narrow' }, { hello: { hostname } });
    const { output } = await cli(['agents', '--selector', 'test=narrow'], {
      terminalColumns: 120,
      environment: { ...environment, NO_COLOR: '1' },
    });
    for (const line of output.trimEnd().split('\n')) expect(line.length).toBeLessThanOrEqual(120);
    expect(rows(output)[0]).toMatch(/^[0-9a-f-]{36} {2}long-.*…/);
  });
});

describe('synscope trace', () => {
  it('starts a session, shows how many agents run it, lists and stops it', async () => {
    const agent = await fleet.agent({ test: 'start' });
    const started = await cli([
      'trace',
      'start',
      ...['--name', 'slow checkout', '--selector', 'test=start', '--probes', 'tcp_handshake,dns'],
      ...['--min-latency-ms', '20', '--remote-ports', '443,8443', '--query-types', 'A,AAAA', '--wait'],
    ]);
    expect(started.errors).toMatch(/1 of 1 agents run it\n/);
    expect(started.status).toBe(0);
    const id = rows(started.output)[0]?.split(' ')[0] ?? '';
    expect(agent.running.get(id)?.filter).toMatchObject({
      minLatencyUs: 20_000n,
      remotePorts: [443, 8_443],
      queryTypes: [1, 28],
    });
    const listed = await cli(['trace', 'list', '--state', 'running', '-o', 'ndjson']);
    expect(JSON.parse(listed.output)).toMatchObject({ id, name: 'slow checkout' });
    const targets = await cli(['trace', 'targets', id]);
    expect(rows(targets.output)).toEqual([expect.stringMatching(/ running +0 +-$/)]);
    const stopped = await cli(['trace', 'stop', id, '--wait', '10s']);
    expect(stopped.output).toMatch(/ stopped /);
    expect(stopped.status).toBe(0);
  });

  it('fails with --wait if an agent has failed, and says how to find out why', async () => {
    const agent = await fleet.agent({ test: 'failing' }, { obedient: false });
    const started = cli(['trace', 'start', '--selector', 'test=failing', '--wait', '-o', 'json']);
    const { sessions } = await agent.desired.until((desired) => desired.sessions.length === 1);
    agent.report(uuidText(sessions[0]?.sessionId ?? new Uint8Array()), SessionState.FAILED, {
      error: 'no hooks',
    });
    const { status, output, errors } = await started;
    expect([status, JSON.parse(output).targets.failed, errors]).toEqual([
      1,
      1,
      expect.stringContaining('1 failed'),
    ]);
  });

  it('shows the progress on one line of a terminal', async () => {
    await fleet.agent({ test: 'progress' });
    const { errors } = await cli(['trace', 'start', '--selector', 'test=progress', '--wait'], {
      terminalColumns: 120,
    });
    expect(errors.split('\r\u001b[K').at(-1)).toBe('1 of 1 agents run it\n');
  });

  it('shows with --dry-run who would be matched, and starts nothing', async () => {
    await fleet.agent({ test: 'dry' });
    const { status, output, errors } = await cli(['trace', 'start', '--selector', 'test=dry', '--dry-run']);
    expect(status).toBe(0);
    expect(rows(output)).toHaveLength(1);
    expect(errors).toBe('agents that match: 1 (1 online, 0 offline); nothing was started\n');
  });

  it('starts one session for one idempotency key', async () => {
    const argv = ['trace', 'start', '--idempotency-key', 'k1', '--selector', 'test=none', '-o', 'json'];
    const [first, second] = [await cli(argv), await cli(argv)];
    expect(second.output).toBe(first.output);
  });

  it.each([
    [['--duration-seconds', 'long'], /--duration-seconds: "long" is no number/],
    [['--probes', 'udp'], /probes/],
    [['--min-latency-ms', '-1'], /filter\.minLatencyMs \(--min-latency-ms\)/],
    [['--remote-ports', '443,http'], /--remote-ports: "http" is no number/],
    [['--remote-ports', '70000'], /--remote-ports\): expected a port/],
  ])('refuses %j with status 2', async (flags, problem) => {
    const { status, errors } = await cli(['trace', 'start', ...flags]);
    expect(errors).toMatch(problem);
    expect(status).toBe(2);
  });

  it('fails for a session that does not exist', async () => {
    const { status, errors } = await cli(['trace', 'stop', '0198c0de-0000-7000-8000-0000000000aa']);
    expect([status, errors]).toEqual([1, expect.stringContaining('no trace session')]);
  });
});

describe('synscope schedule', () => {
  it('creates, lists, pauses, resumes, triggers and deletes', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'synscope-cli-'));
    const file = join(folder, 'session.json');
    await writeFile(
      file,
      JSON.stringify({ probes: ['dns'], selector: 'test=scheduled', durationSeconds: 60 }),
    );
    const created = await cli([
      ...['schedule', 'create', '--name', 'nightly', '--cron', '0 3 * * *', '--timezone', 'Europe/Berlin'],
      ...['--jitter-seconds', '30', '--session', file],
    ]);
    await rm(folder, { recursive: true });
    expect(created).toMatchObject({ status: 0, errors: '' });
    const id = rows(created.output)[0]?.split(' ')[0] ?? '';
    expect((await cli(['schedule', 'list', '--name', 'nightly'])).output).toMatch(
      /0 3 \* \* \* Europe\/Berlin +no +skip/,
    );
    expect((await cli(['schedule', 'pause', id])).output).toMatch(/ yes +skip/);
    expect((await cli(['schedule', 'resume', id])).output).toMatch(/ no +skip/);
    expect((await cli(['schedule', 'trigger', id])).output).toMatch(/manual +started/);
    const second = await cli(['schedule', 'trigger', id]);
    expect([second.status, second.output]).toEqual([1, expect.stringMatching(/manual +skipped/)]);
    expect(rows((await cli(['schedule', 'runs', id, '--outcome', 'skipped'])).output)).toHaveLength(1);
    expect((await cli(['schedule', 'delete', id])).status).toBe(0);
    expect((await cli(['schedule', 'list', '--fail-if-any'])).status).toBe(0);
  });

  it('says what is wrong with a schedule', async () => {
    const { status, errors } = await cli(['schedule', 'create', '--name', 'x', '--session', '/nonexistent']);
    expect([status, errors]).toEqual([2, expect.stringContaining('--session /nonexistent: ENOENT')]);
  });
});

describe('synscope token', () => {
  it('creates an API token that works until it is revoked', async () => {
    const created = await cli(['token', 'api', 'create', '--name', 'bot', '--role', 'viewer']);
    expect(created.output).toMatch(/^syn_\S+\n$/);
    const own = { ...environment, SYNSCOPE_TOKEN: created.output.trim() };
    expect((await cli(['agents'], { environment: own })).status).toBe(0);
    const refused = await cli(['trace', 'start'], { environment: own });
    expect([refused.status, refused.errors]).toEqual([1, expect.stringContaining('operator')]);
    expect((await cli(['token', 'api', 'list'])).output).toMatch(/ bot +viewer /);
    const id = /its id is (\S+);/.exec(created.errors)?.[1] ?? '';
    expect((await cli(['token', 'api', 'revoke', id])).status).toBe(0);
    const gone = await cli(['agents'], { environment: own });
    expect([gone.status, gone.errors]).toEqual([1, expect.stringContaining('SYNSCOPE_TOKEN')]);
  });

  it('is followed by synscope audit, which tells who created and revoked it', async () => {
    const created = await cli([
      'token',
      'api',
      'create',
      '--name',
      'a\u001b[31mb',
      '--role',
      'viewer',
      '-o',
      'json',
    ]);
    const { id } = JSON.parse(created.output);
    await cli(['token', 'api', 'revoke', id]);
    const { output } = await cli(['audit', '--resource-id', id]);
    expect(output).toMatch(/FROM +ACTION/);
    expect(output).toMatch(/127\.0\.0\.1 +api_token\.delete/);
    expect(output).toMatch(/127\.0\.0\.1 +api_token\.create/);
    expect(output).not.toContain('\u001b[31m');
    const ndjson = (await cli(['audit', '--resource-id', id, '--action', 'api_token.create', '-o', 'ndjson']))
      .output;
    expect(JSON.parse(ndjson)).toMatchObject({ before: null, after: { role: 'viewer' } });
  });

  it('creates join tokens by which agents join', async () => {
    const argv = ['token', 'join', 'create', '--name', 'web tier', '--label', 'role=web', '--max-uses', '3'];
    const created = await cli([...argv, '-o', 'json']);
    const token: { id: string; token: string } = JSON.parse(created.output);
    expect(token).toMatchObject({
      labels: { role: 'web' },
      maxUses: 3,
      token: expect.stringMatching(/^synj_/),
    });
    expect((await cli(['token', 'join', 'list'])).output).toMatch(/ web tier +0\/3 .*role=web/);
    expect((await cli(['token', 'join', 'revoke', token.id])).errors).toBe(`revoked ${token.id}\n`);
  });
});

describe('synscope doctor', () => {
  it('asks the control plane about this host’s agent where there is no probe', async () => {
    await fleet.agent({}, { hello: { hostname: 'old-host' } });
    const capabilities = [
      { name: 'dns.client', available: true, detail: '' },
      { name: 'dns.late_after_close', available: false, detail: 'needs drop reasons, Linux 5.17' },
    ];
    await application.app
      .get(DatabasePool)
      .query(`UPDATE agent SET capabilities = $1 WHERE hostname = 'old-host'`, [
        JSON.stringify(capabilities),
      ]);
    const argv = ['doctor', '--no-probe', '--hostname', 'old-host'];
    const { status, output, errors } = await cli(argv);
    expect(errors).toMatch(/^the agent \S+ \(online\) said; kernel/);
    expect(output).toMatch(/dns\.client +exact/);
    expect(output).toMatch(/dns\.late_after_close +missing +needs drop reasons, Linux 5\.17/);
    expect([status, (await cli([...argv, '--fail-if-any'])).status]).toEqual([0, 1]);
    const unknown = await cli(['doctor', '--no-probe', '--hostname', 'other-host']);
    expect([unknown.status, unknown.errors]).toEqual([1, expect.stringContaining('no agent on other-host')]);
  });
});
