import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestApplication, type TestApplication } from '../testing/test-application.js';

describe('Idempotency-Key', () => {
  let control: TestApplication;
  let client: pg.Client;

  beforeAll(async () => {
    control = await startTestApplication();
    client = new pg.Client({ connectionString: control.databaseUrl });
    await client.connect();
  });
  afterAll(async () => {
    await client.end();
    await control.close();
  });

  const create = (key: string, body: unknown, token?: string) =>
    control.call('POST', '/api-tokens', {
      body,
      headers: { 'idempotency-key': key },
      ...(token && { token }),
    });
  const tokensNamed = async (name: string) => {
    const { rowCount } = await client.query('SELECT FROM api_token WHERE name = $1', [name]);
    return rowCount;
  };

  it('gives the same answer to the same request, and does the work once', async () => {
    const first = await create('one', { name: 'once', role: 'viewer' });
    const second = await create('one', { role: 'viewer', name: 'once' });
    expect(first.status).toBe(201);
    expect(second.status).toBe(201);
    expect(second.body).toEqual(first.body);
    expect([first, second].map(({ headers }) => headers.get('idempotent-replayed'))).toEqual([null, 'true']);
    expect(await tokensNamed('once')).toBe(1);
  });

  it('refuses the key for another body', async () => {
    await create('two', { name: 'first', role: 'viewer' });
    const other = await create('two', { name: 'other', role: 'viewer' });
    expect(other.body).toMatchObject({ status: 409, code: 'idempotency_key_reused' });
    expect(await tokensNamed('other')).toBe(0);
  });

  it('belongs to one caller: another one may use the same key', async () => {
    const token = (await create('three', { name: 'caller', role: 'admin' })).body.token;
    const answer = await create('three', { name: 'another caller', role: 'viewer' }, token);
    expect(answer.status).toBe(201);
  });

  it('is free again after a request that failed', async () => {
    expect((await create('four', { name: 'x', role: 'king' })).status).toBe(400);
    expect((await create('four', { name: 'mended', role: 'viewer' })).status).toBe(201);
  });

  it('lets one of many simultaneous requests through', async () => {
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => create('five', { name: 'race', role: 'viewer' })),
    );
    expect(await tokensNamed('race')).toBe(1);
    for (const { status, body, headers } of answers) {
      if (status === 201) continue;
      expect(body).toMatchObject({ status: 409, code: 'idempotency_key_in_flight' });
      expect(headers.get('retry-after')).toBe('1');
    }
    expect(answers.some(({ status }) => status === 201)).toBe(true);
  });

  it('does not leave the secret of the answer readable in the database', async () => {
    const { body } = await create('six', { name: 'sealed', role: 'viewer' });
    const { rows } = await client.query(`SELECT sealed_response FROM idempotency_key WHERE key = 'six'`);
    expect(rows).toHaveLength(1);
    expect(rows[0].sealed_response.includes(body.token)).toBe(false);
  });

  it('is forgotten after a day, and after ten minutes if its request never ended', async () => {
    await create('seven', { name: 'yesterday', role: 'viewer' });
    await client.query(
      `UPDATE idempotency_key SET created_at = now() - interval '25 hours' WHERE key = 'seven'`,
    );
    expect((await create('seven', { name: 'today', role: 'viewer' })).status).toBe(201);

    await client.query(
      `UPDATE idempotency_key SET status = NULL, sealed_response = NULL WHERE key = 'seven'`,
    );
    expect((await create('seven', { name: 'today', role: 'viewer' })).body.code).toBe(
      'idempotency_key_in_flight',
    );
    await client.query(
      `UPDATE idempotency_key SET created_at = now() - interval '11 minutes' WHERE key = 'seven'`,
    );
    expect((await create('seven', { name: 'retried', role: 'viewer' })).status).toBe(201);
  });

  it.each(['', 'ä', 'x'.repeat(256)])('refuses the key %j', async (key) => {
    const answer = await control.call('POST', '/api-tokens', {
      body: { name: 'n', role: 'viewer' },
      headers: { 'idempotency-key': key },
    });
    expect(answer.status).toBe(400);
    expect(answer.body.errors).toEqual([
      { path: 'Idempotency-Key', message: 'expected 1 to 255 printable ASCII characters' },
    ]);
  });
});
