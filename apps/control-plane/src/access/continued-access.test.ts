import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { performance } from 'node:perf_hooks';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { AuditEventStore } from '../audit/audit-event.store.js';
import { startTestApplication, type TestApplication } from '../testing/test-application.js';

describe('an export', () => {
  let control: TestApplication;
  let client: pg.Client;
  beforeAll(async () => {
    control = await startTestApplication({ SYNSCOPE_RATE_LIMIT_PER_MINUTE: '1000' });
    client = new pg.Client({ connectionString: control.databaseUrl });
    await client.connect();
    await client.query(
      `INSERT INTO audit_event (id, actor_name, action, resource_kind)
       SELECT ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, 'test', 'bulk', 'row'
         FROM generate_series(1, 4500) n`,
    );
  });
  afterEach(() => {
    vi.restoreAllMocks();
  });
  afterAll(async () => {
    await client.end();
    await control.close();
  });

  const remainingOf = (headers: Headers) => Number(/r=(\d+)/.exec(headers.get('ratelimit') ?? '')?.[1]);

  it('counts as a request for each 1,000 items', async () => {
    const now = vi.spyOn(performance, 'now').mockReturnValue(performance.now());
    const token = await control.tokenFor('admin');
    const before = await control.call('GET', '/api-tokens?limit=1', { token });
    const headers = { accept: 'application/x-ndjson' };
    const list = await control.call('GET', '/audit-events?action=bulk', { token, headers });
    expect(list.text.trimEnd().split('\n')).toHaveLength(4_500);
    const after = await control.call('GET', '/api-tokens?limit=1', { token });
    expect(remainingOf(before.headers) - remainingOf(after.headers)).toBe(6);
    now.mockRestore();
  });

  it('is broken off when its token expires, so that nobody takes it for complete', async () => {
    const created = await control.call('POST', '/api-tokens', { body: { name: 'exporter', role: 'admin' } });
    const { token, id } = created.body;
    const store = control.app.get(AuditEventStore);
    const original = store.list.bind(store);
    const present = performance.now.bind(performance);
    vi.spyOn(store, 'list').mockImplementation(async (filter, window, after, limit) => {
      if (after !== null) {
        await client.query('UPDATE api_token SET expires_at = now() WHERE id = $1', [id]);
        vi.spyOn(performance, 'now').mockImplementation(() => present() + 15_000);
      }
      return original(filter, window, after, limit);
    });
    const request = get(`${control.baseUrl}/api/v1/audit-events?action=bulk`, {
      agent: false,
      headers: { authorization: `Bearer ${token}`, accept: 'text/csv' },
    });
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    const reading = (async () => {
      for await (const _part of response);
    })();
    await expect(reading).rejects.toThrow('aborted');
    expect(control.logLines.filter(({ level }) => level === 'error')).toEqual([]);
  });
});
