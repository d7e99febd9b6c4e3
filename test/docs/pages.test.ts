import { execFile, spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { SessionState } from '@synscope/protocol';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type TestFleet, testFleet } from '../../apps/control-plane/src/testing/fleet.ts';
import { batchOf, handshakeRecord } from '../../apps/control-plane/src/testing/handshake-batch.ts';
import {
  startTestApplication,
  type TestApplication,
} from '../../apps/control-plane/src/testing/test-application.ts';

const run = promisify(execFile);

let application: TestApplication;
let fleet: TestFleet;
beforeAll(async () => {
  if (spawnSync('jq', ['--version']).error !== undefined)
    throw new Error('jq is missing, which docs/cookbook.md needs: apt-get install jq');
  application = await startTestApplication();
  fleet = testFleet(application);
});
afterAll(async () => {
  await fleet.close();
  await application.close();
});

/** All commands of a page, for this control plane. */
async function scriptOf(page: string): Promise<string> {
  const text = await readFile(new URL(`../../docs/${page}.md`, import.meta.url), 'utf8');
  const blocks = [...text.matchAll(/```sh\n(.*?)```/gs)].map(([, block]) => block ?? '');
  return blocks.join('').replaceAll('http://127.0.0.1:8080', application.baseUrl);
}

async function folderWithToken(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'synscope-docs-'));
  await symlink(application.dataDirectory, join(folder, '.data'));
  return folder;
}

it('every command of docs/cookbook.md works as it stands there', async () => {
  const script = await scriptOf('cookbook');
  const agent = await fleet.agent({ env: 'prod' });
  const refusing = await fleet.agent({ env: 'prod' }, { obedient: false });
  const folder = await folderWithToken();
  try {
    const running = run('bash', ['-euo', 'pipefail', '-c', script], { cwd: folder });
    await refusing.desired.until(({ sessions }) => sessions.length === 1);
    await agent.desired.until(({ sessions }) => sessions.length === 1);
    const [sessionId = ''] = agent.running.keys();
    refusing.report(sessionId, SessionState.FAILED, { error: 'no probe here' });
    const records = [1, 2].map((localPort) => handshakeRecord({ sessionIds: [sessionId], localPort }));
    agent.batch(batchOf(1, records));
    const { stdout } = await running;
    expect(stdout).toContain('"running":1');
    expect(stdout).toContain('no probe here');
    const stored = await readFile(join(folder, 'handshakes.ndjson'), 'utf8');
    expect(stored.trimEnd().split('\n')).toHaveLength(2);
    expect(await readFile(join(folder, 'slow.csv'), 'utf8')).toMatch(/^id,observedAt,/);
    // The same session twice.
    expect(stdout).toMatch(/^([0-9a-f-]{36})\n\1$/m);
    expect(stdout).toMatch(/Z\tstarted\t[0-9a-f-]{36}$/m);
  } finally {
    await rm(folder, { recursive: true });
  }
}, 120_000);

it('every command of docs/fleet.md works as it stands there', async () => {
  const capabilities = [{ name: 'name_lookup', available: false, detail: 'no C library was found' }];
  const known = { $typeName: 'synscope.agent.v1.Capability' } as const;
  await fleet.agent(
    { env: 'fleet' },
    { hello: { hostname: 'web-7', capabilities: capabilities.map((one) => ({ ...known, ...one })) } },
  );
  const folder = await folderWithToken();
  try {
    const script = await scriptOf('fleet');
    const { stdout } = await run('bash', ['-euo', 'pipefail', '-c', script], { cwd: folder });
    expect(stdout).toMatch(/^synj_\S+$/m);
    expect(stdout).toContain('web-7\tname_lookup\tno C library was found');
    expect(stdout).toMatch(/^synscope_agents_connected [1-9]/m);
  } finally {
    await rm(folder, { recursive: true });
  }
});
