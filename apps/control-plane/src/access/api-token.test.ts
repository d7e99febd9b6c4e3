import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startTestApplication, type TestApplication } from '../testing/test-application.js';

describe('API tokens', () => {
  let control: TestApplication;

  beforeAll(async () => {
    control = await startTestApplication();
  });
  afterAll(() => control.close());

  it('creates a token, shows its secret once and lets it in with its role', async () => {
    const created = await control.call('POST', '/api-tokens', { body: { name: 'bot', role: 'operator' } });
    expect(created.status, created.text).toBe(201);
    expect(created.body).toMatchObject({ name: 'bot', role: 'operator', expiresAt: null, lastUsedAt: null });
    expect(created.body.createdAt).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);

    const list = await control.call('GET', '/api-tokens');
    expect(list.body.items.map((token: { name: string }) => token.name)).toContain('bot');
    expect(list.text).not.toContain(created.body.token);

    const refused = await control.call('GET', '/api-tokens', { token: created.body.token });
    expect(refused.status).toBe(403);
    expect(refused.body).toMatchObject({
      code: 'forbidden',
      detail: 'This needs the role admin; the token has the role operator',
    });
  });

  it('keeps only a hash of the secret in the database', async () => {
    const secret = await control.tokenFor('viewer');
    const client = new pg.Client({ connectionString: control.databaseUrl });
    await client.connect();
    const { rows } = await client.query(
      `SELECT (SELECT json_agg(t)::text FROM api_token t) || (SELECT json_agg(a)::text FROM audit_event a) AS everything`,
    );
    await client.end();
    expect(rows[0].everything).toContain('test viewer');
    expect(rows[0].everything).not.toContain(secret);
    expect(rows[0].everything).not.toContain(secret.slice(4));
  });

  it.each([
    ['no header', {}],
    ['an unknown token', { authorization: `Bearer syn_${'A'.repeat(43)}` }],
    ['another scheme', { authorization: 'Basic YWRtaW46YWRtaW4=' }],
    ['a header without a token', { authorization: 'Bearer' }],
    ['text that no token has', { authorization: `Bearer ${'x'.repeat(5_000)}` }],
  ])('answers 401 to %s', async (_what, headers) => {
    const answer = await control.call('GET', '/api-tokens', { token: null, headers });
    expect(answer.status).toBe(401);
    expect(answer.headers.get('www-authenticate')).toBe('Bearer realm="synscope"');
    expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json/);
    expect(answer.body).toMatchObject({ code: 'unauthenticated', status: 401 });
  });

  it('refuses a deleted token from the next request on', async () => {
    const { body } = await control.call('POST', '/api-tokens', {
      body: { name: 'short-lived', role: 'admin' },
    });
    expect((await control.call('GET', '/api-tokens', { token: body.token })).status).toBe(200);
    const deleted = await control.call('DELETE', `/api-tokens/${body.id}`);
    expect([deleted.status, deleted.text]).toEqual([204, '']);
    expect((await control.call('GET', '/api-tokens', { token: body.token })).status).toBe(401);
    const again = await control.call('DELETE', `/api-tokens/${body.id}`);
    expect(again.body).toMatchObject({
      status: 404,
      code: 'not_found',
      detail: `There is no API token with the id ${body.id}`,
    });
  });

  it('refuses an expired token by the clock of the database', async () => {
    const expiresAt = new Date(Date.now() + 3_600_000).toISOString();
    const { body } = await control.call('POST', '/api-tokens', {
      body: { name: 'an hour', role: 'admin', expiresAt },
    });
    expect(body.expiresAt).toBe(`${expiresAt.slice(0, 23)}000Z`);
    expect((await control.call('GET', '/api-tokens', { token: body.token })).status).toBe(200);
    const client = new pg.Client({ connectionString: control.databaseUrl });
    await client.connect();
    await client.query(`UPDATE api_token SET expires_at = now() - interval '1 second' WHERE id = $1`, [
      body.id,
    ]);
    await client.end();
    expect((await control.call('GET', '/api-tokens', { token: body.token })).status).toBe(401);
  });

  it('refuses an expiry in the past', async () => {
    const answer = await control.call('POST', '/api-tokens', {
      body: { name: 'late', role: 'viewer', expiresAt: '2020-01-01T00:00:00Z' },
    });
    expect(answer.status).toBe(400);
    expect(answer.body.errors).toEqual([{ path: 'expiresAt', message: 'is in the past' }]);
  });

  it('lets no token make one that outlives it', async () => {
    const inAnHour = new Date(Date.now() + 3_600_000).toISOString();
    const earlier = new Date(Date.now() + 1_800_000).toISOString();
    const maker = await control.call('POST', '/api-tokens', {
      body: { name: 'for an hour', role: 'admin', expiresAt: inAnHour },
    });
    const make = (expiresAt: string | null) =>
      control.call('POST', '/api-tokens', {
        token: maker.body.token,
        body: { name: 'made by it', role: 'viewer', expiresAt },
      });
    for (const expiresAt of [null, new Date(Date.parse(inAnHour) + 1).toISOString()]) {
      const refused = await make(expiresAt);
      expect(refused.body).toMatchObject({ status: 403, code: 'forbidden' });
      expect(refused.body.detail).toContain(inAnHour);
    }
    expect((await make(inAnHour)).status).toBe(201);
    expect((await make(earlier)).status).toBe(201);
  });

  it('writes every change into the audit trail, with who did it', async () => {
    const { body } = await control.call('POST', '/api-tokens', { body: { name: 'audited', role: 'viewer' } });
    await control.call('DELETE', `/api-tokens/${body.id}`);
    const events = await control.call('GET', `/audit-events?resourceId=${body.id}`);
    expect(events.status, events.text).toBe(200);
    expect(events.body.items).toMatchObject([
      {
        action: 'api_token.delete',
        resource: { kind: 'api_token', id: body.id },
        actor: { name: expect.stringContaining('admin-token file') },
        source: { address: '127.0.0.1' },
        before: { name: 'audited', role: 'viewer', lastUsedAt: null },
        after: null,
      },
      {
        action: 'api_token.create',
        before: null,
        after: { name: 'audited', role: 'viewer', expiresAt: null },
      },
    ]);
    const byStart = await control.call('GET', '/audit-events?limit=1000&since=1h');
    expect(byStart.body.items.at(-1)).toMatchObject({
      action: 'api_token.create',
      actor: { tokenId: null, name: 'start' },
    });
    expect((await control.call('GET', '/audit-events?until=2020-01-01T00:00:00Z')).body.items).toEqual([]);
  });
});

describe('the last admin token', () => {
  let control: TestApplication;
  // Each test its own: which of two tokens is left is a matter of chance.
  beforeEach(async () => {
    control = await startTestApplication();
  });
  afterEach(() => control.close());

  it('cannot be deleted, not even by two admins who delete each other’s at once', async () => {
    const admins = [control.adminToken, await control.tokenFor('admin')];
    const { body } = await control.call('GET', '/api-tokens');
    const ids: string[] = body.items.map(({ id }: { id: string }) => id).reverse();
    const answers = await Promise.all(
      admins.map((token, index) => control.call('DELETE', `/api-tokens/${ids[1 - index]}`, { token })),
    );
    // The slower one may find its own token gone, or be the last.
    const statuses = answers.map(({ status }) => status);
    expect(statuses.filter((status) => status === 204)).toHaveLength(1);
    const survivor = admins[statuses.indexOf(204)] ?? '';
    const left = await control.call('GET', '/api-tokens', { token: survivor });
    expect(left.body.items).toHaveLength(1);
    const refused = await control.call('DELETE', `/api-tokens/${left.body.items[0].id}`, { token: survivor });
    expect(refused.body).toMatchObject({ status: 409, code: 'last_admin_token' });
    expect((await control.call('GET', '/api-tokens', { token: survivor })).status).toBe(200);
  });

  it('may be deleted when another one works, and one that has expired is none', async () => {
    const { body: other } = await control.call('POST', '/api-tokens', {
      body: { name: 'another admin', role: 'admin' },
    });
    const client = new pg.Client({ connectionString: control.databaseUrl });
    await client.connect();
    await client.query('UPDATE api_token SET expires_at = now() WHERE id <> $1', [other.id]);
    const remove = () => control.call('DELETE', `/api-tokens/${other.id}`, { token: other.token });
    expect((await remove()).body.code).toBe('last_admin_token');
    await client.query('UPDATE api_token SET expires_at = NULL');
    await client.end();
    expect((await remove()).status).toBe(204);
  });
});

describe('the admin-token file', () => {
  let control: TestApplication;
  let path: string;

  beforeAll(async () => {
    control = await startTestApplication();
    path = join(control.dataDirectory, 'admin-token');
  });
  afterAll(() => control.close());

  const restart = async () => {
    const again = await startTestApplication({
      DATABASE_URL: control.databaseUrl,
      SYNSCOPE_DATA_DIR: control.dataDirectory,
    });
    const token = (await readFile(path, 'utf8')).trim();
    const works = (await again.call('GET', '/api-tokens', { token })).status === 200;
    const said = again.logLines
      .map(({ msg }) => String(msg))
      .filter((message) => message.includes('admin token'));
    await again.close();
    return { token, works, said };
  };

  it('is readable for the owner alone', async () => {
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await readFile(path, 'utf8')).toMatch(/^syn_[\w-]{43}\n$/);
  });

  it('is left alone by a second start', async () => {
    expect(await restart()).toEqual({ token: control.adminToken, works: true, said: [] });
  });

  it('is replaced, saying so, when its token is not one of this database', async () => {
    await writeFile(path, 'syn_not-a-token-of-this-database\n');
    const { works, said } = await restart();
    expect(works).toBe(true);
    expect(said).toEqual([
      expect.stringMatching(
        /^wrote a new admin token.* \(the one in the file was not valid in this database\)$/,
      ),
    ]);
  });

  it('is not written where the configuration says so', async () => {
    await writeFile(path, 'gone');
    const again = await startTestApplication({
      DATABASE_URL: control.databaseUrl,
      SYNSCOPE_DATA_DIR: control.dataDirectory,
      SYNSCOPE_BOOTSTRAP_ADMIN_TOKEN: 'false',
    });
    await again.close();
    expect(await readFile(path, 'utf8')).toBe('gone');
  });
});
