import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startTestApplication, type TestApplication } from '../testing/test-application.js';

let application: TestApplication;
beforeAll(async () => {
  application = await startTestApplication();
});
afterAll(() => application.close());

it('every command of docs/schedules.md works as it stands there', async () => {
  const page = await readFile(new URL('../../../../docs/schedules.md', import.meta.url), 'utf8');
  const [commands] = [...page.matchAll(/```sh\n(.*?)```/gs)].map(([, block]) => block ?? '');
  const script = (commands ?? '').replaceAll('http://127.0.0.1:8080', application.baseUrl);
  const folder = await mkdtemp(join(tmpdir(), 'synscope-docs-'));
  try {
    await symlink(application.dataDirectory, join(folder, '.data'));
    const { stdout } = await promisify(execFile)('bash', ['-euo', 'pipefail', '-c', script], { cwd: folder });
    expect(stdout).toMatch(/^\d{4}-\d\d-\d\dT0[12]:00:00\.000000Z$/m);
    expect(stdout).toMatch(/^started\n[0-9a-f-]{36}$/m);
    expect(stdout).toMatch(/Z\tstarted\tpending\t0$/m);
    expect(stdout).toContain('"cron":"0 4 * * 1-5"');
  } finally {
    await rm(folder, { recursive: true });
  }
  const left = await application.call('GET', '/schedules');
  expect(left.body.items.map(({ name }: { name: string }) => name)).toEqual(['quarterly']);
});
