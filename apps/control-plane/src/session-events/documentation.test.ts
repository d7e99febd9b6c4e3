import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { testFleet } from '../testing/fleet.js';
import { batchOf, handshakeRecord } from '../testing/handshake-batch.js';
import { startTestApplication, type TestApplication } from '../testing/test-application.js';

let application: TestApplication;
beforeAll(async () => {
  application = await startTestApplication();
});
afterAll(() => application.close());

it('every command of docs/live.md works as it stands there', async () => {
  const page = await readFile(new URL('../../../../docs/live.md', import.meta.url), 'utf8');
  const blocks = [...page.matchAll(/```sh\n(.*?)```/gs)].map(([, block]) => block ?? '');
  const script = blocks.join('').replaceAll('http://127.0.0.1:8080', application.baseUrl);
  const agent = await testFleet(application).agent();
  const folder = await mkdtemp(join(tmpdir(), 'synscope-docs-'));
  try {
    await symlink(application.dataDirectory, join(folder, '.data'));
    const running = promisify(execFile)('bash', ['-euo', 'pipefail', '-c', script], { cwd: folder });
    await agent.desired.until(({ sessions }) => sessions.length === 1);
    const [sessionId = ''] = agent.running.keys();
    const records = [1, 2].map((localPort) => handshakeRecord({ sessionIds: [sessionId], localPort }));
    agent.batch(batchOf(1, records));
    await agent.acks.next();
    agent.finish(sessionId);
    const { stdout } = await running;
    // Streamed whole, filtered, whole again, and resumed after the first record.
    expect(stdout.match(/^event: end$/gm)).toHaveLength(3);
    expect(stdout.match(/^event: handshake$/gm)).toHaveLength(5);
    expect(stdout.match(/^\{"id":.*"outcome":"established".*\}$/gm)).toHaveLength(2);
  } finally {
    await rm(folder, { recursive: true });
    await agent.disconnect();
  }
});
