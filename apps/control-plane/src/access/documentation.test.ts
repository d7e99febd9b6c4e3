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

it('every curl command of docs/access.md works as it stands there', async () => {
  const page = await readFile(new URL('../../../../docs/access.md', import.meta.url), 'utf8');
  const script = [...page.matchAll(/```sh\n(.*?)```/gs)]
    .map(([, block]) => block ?? '')
    .join('\n')
    .replaceAll('http://127.0.0.1:8080', application.baseUrl)
    // The CLI is held to a control plane by its own tests.
    .replaceAll(/^npx synscope .*$/gm, '');
  const folder = await mkdtemp(join(tmpdir(), 'synscope-docs-'));
  try {
    await symlink(application.dataDirectory, join(folder, '.data'));
    const { stdout } = await promisify(execFile)('bash', ['-euo', 'pipefail', '-c', script], { cwd: folder });
    expect(stdout).toMatch(/^syn_[\w-]{43}$/m);
    expect(stdout).toMatch(/^[0-9a-f-]{36}\tgrafana\tviewer\t2027-12-31T00:00:00\.000000Z/m);
    expect(stdout).toMatch(/"from":"127\.0\.0\.1","action":"api_token\.create","before":null/);
  } finally {
    await rm(folder, { recursive: true });
  }
});
