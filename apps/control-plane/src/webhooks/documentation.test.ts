import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { startTestApplication } from '../testing/test-application.js';
import { startWebhookReceiver } from '../testing/webhook-receiver.js';

it('every command of docs/webhooks.md works as it stands there', async () => {
  const receiver = await startWebhookReceiver();
  const application = await startTestApplication({
    SYNSCOPE_WEBHOOK_ALLOW_HTTP: 'true',
    SYNSCOPE_WEBHOOK_ALLOWED_NETWORKS: '127.0.0.1',
  });
  const page = await readFile(new URL('../../../../docs/webhooks.md', import.meta.url), 'utf8');
  const [commands] = [...page.matchAll(/```sh\n(.*?)```/gs)].map(([, block]) => block ?? '');
  const script = (commands ?? '')
    .replaceAll('http://127.0.0.1:8080', application.baseUrl)
    .replaceAll('https://bots.example.com/synscope', receiver.url);
  const folder = await mkdtemp(join(tmpdir(), 'synscope-docs-'));
  try {
    await symlink(application.dataDirectory, join(folder, '.data'));
    const { stdout } = await promisify(execFile)('bash', ['-euo', 'pipefail', '-c', script], { cwd: folder });
    expect(stdout).toContain('"secret":"whsec_');
    expect(stdout).toMatch(/delivered\nnull\ndelivered\n\d{4}-/);
    expect(stdout).toContain('"enabled":false');
  } finally {
    await rm(folder, { recursive: true });
    await application.close();
    await receiver.close();
  }
  expect(receiver.requests.map(({ body }) => body.type)).toEqual(['webhook.test', 'webhook.test']);
  expect(new Set(receiver.requests.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
});
