import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { testFleet } from '../testing/fleet.js';
import { listenerRecord } from '../testing/listener-record.js';
import { recordBatch } from '../testing/record-batch.js';
import { startTestApplication, type TestApplication } from '../testing/test-application.js';

let application: TestApplication;
beforeAll(async () => {
  application = await startTestApplication();
});
afterAll(() => application.close());

it('every command of docs/listeners.md works as it stands there', async () => {
  const page = await readFile(new URL('../../../../docs/listeners.md', import.meta.url), 'utf8');
  const blocks = [...page.matchAll(/```sh\n(.*?)```/gs)].map(([, block]) => block ?? '');
  const script = blocks.join('').replaceAll('http://127.0.0.1:8080', application.baseUrl);
  const agent = await testFleet(application).agent();
  agent.batch(
    recordBatch(1, { listeners: [listenerRecord({ localPort: 443, synsRefusedAcceptQueueFull: 3 })] }),
  );
  await agent.acks.next();
  const folder = await mkdtemp(join(tmpdir(), 'synscope-docs-'));
  try {
    await symlink(application.dataDirectory, join(folder, '.data'));
    const { stdout } = await promisify(execFile)('bash', ['-euo', 'pipefail', '-c', script], { cwd: folder });
    expect(stdout).toContain('"probes":["listener"]');
    // In the list of those that refuse, and in the samples.
    expect(stdout.match(/"acceptQueueFull":3/g)).toHaveLength(2);
    expect(stdout).toContain('id,observedAt,firstObservedAt,samples');
  } finally {
    await rm(folder, { recursive: true });
    await agent.disconnect();
  }
});
