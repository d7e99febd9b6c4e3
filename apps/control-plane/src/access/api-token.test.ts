import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestApplication, type TestApplication } from '../testing/test-application.js';

describe('API tokens', () => {
  let control: TestApplication;

  beforeAll(async () => {
    control = await startTestApplication();
  });
  afterAll(() => control.close());

  it('writes an admin token at the first start that only the owner may read', async () => {
    const path = join(control.dataDirectory, 'admin-token');
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect((await readFile(path, 'utf8')).trim()).toMatch(/^syn_[\w-]{43}$/);
  });

  it('creates a token, shows its secret once and lets it in with its role', async () => {
    const created = await control.call('POST', '/api-tokens', { body: { name: 'bot', role: 'operator' } });
    expect(created.status, created.text).toBe(201);
    expect(created.body).toMatchObject({ name: 'bot', role: 'operator', expiresAt: null, lastUsedAt: null });
    expect(created.body.createdAt).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);

    const list = await control.call('GET', '/api-tokens');
    expect(list.status).toBe(200);
    expect(list.text).not.toContain(created.body.token);
    const refused = await control.call('GET', '/api-tokens', { token: created.body.token });
    expect(refused.status).toBe(403);
    expect(refused.body).toMatchObject({ code: 'forbidden', detail: 'This needs the role admin; the token has the role operator' });
  });
});
