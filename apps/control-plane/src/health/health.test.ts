import { createTestDatabase, type TestDatabase } from '@synscope/testing';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type SeverableProxy, startSeverableProxy } from '../testing/severable-proxy.js';
import { startTestApplication, type TestApplication } from '../testing/test-application.js';
import { ReadinessChecks } from './readiness-checks.js';

describe('health', () => {
  let database: TestDatabase;
  let proxy: SeverableProxy;
  let control: TestApplication;

  beforeAll(async () => {
    database = await createTestDatabase();
    proxy = await startSeverableProxy(database.url);
    control = await startTestApplication({ DATABASE_URL: proxy.url });
  });
  afterAll(async () => {
    await control.close();
    await proxy.sever();
    await database.drop();
  });

  it('is shown without a token', async () => {
    expect((await control.call('GET', '/healthz', { token: null })).body).toEqual({ status: 'ok' });
    const ready = await control.call('GET', '/readyz', { token: null });
    expect([ready.status, ready.body.status]).toEqual([200, 'ready']);
    expect(ready.body.checks).toContainEqual({ name: 'database', ready: true, reason: null });
  });

  it('shows metrics of the process and of requests by route', async () => {
    await control.call('GET', '/api-tokens');
    await control.call('GET', '/api-tokens', { token: null });
    await control.call('GET', '/no-such-route');
    const { text, headers } = await control.call('GET', '/metrics', { token: null });
    expect(headers.get('content-type')).toMatch(/^text\/plain; .*version=0\.0\.4/);
    expect(text).toMatch(/^process_resident_memory_bytes \d+$/m);
    expect(text).toMatch(
      /^synscope_http_request_duration_seconds_count\{method="GET",route="\/api\/v1\/api-tokens",status="200"\} \d+$/m,
    );
    expect(text).toMatch(/_count\{method="GET",route="\/api\/v1\/api-tokens",status="401"\} 1$/m);
    expect(text).not.toContain('no-such-route');
  });

  it('says so while Postgres cannot be reached, and recovers by itself', async () => {
    await proxy.sever();
    const ready = await control.call('GET', '/readyz', { token: null });
    expect(ready.status).toBe(503);
    expect(ready.headers.get('retry-after')).toBe('2');
    expect(ready.body).toMatchObject({
      status: 'not_ready',
      checks: expect.arrayContaining([
        { name: 'database', ready: false, reason: expect.stringMatching(/ECONN|terminated/) },
      ]),
    });
    expect((await control.call('GET', '/healthz')).status).toBe(200);

    const answer = await control.call('GET', '/api-tokens');
    expect(answer.status).toBe(503);
    expect(answer.headers.get('retry-after')).toBe('5');
    expect(answer.body).toMatchObject({ code: 'database_unavailable', status: 503 });
    const created = await control.call('POST', '/api-tokens', { body: { name: 'x', role: 'viewer' } });
    expect(created.body.code).toBe('database_unavailable');

    await proxy.restore();
    await vi.waitFor(async () => expect((await control.call('GET', '/readyz')).status).toBe(200), {
      timeout: 10_000,
    });
    expect((await control.call('GET', '/api-tokens')).status).toBe(200);
    // No one has to act, so nothing of this is an error.
    expect(control.logLines.filter(({ level }) => level === 'error')).toEqual([]);
  });

  it('asks the checks that features add', async () => {
    let reason: string | null = 'the queue is full';
    control.app.get(ReadinessChecks).add({ name: 'queue', check: async () => reason });
    control.app.get(ReadinessChecks).add({
      name: 'throwing',
      check: async () => {
        if (reason) throw new Error('broken');
        return null;
      },
    });
    const unready = await control.call('GET', '/readyz');
    expect(unready.status).toBe(503);
    expect(unready.body.checks).toEqual(
      expect.arrayContaining([
        { name: 'queue', ready: false, reason: 'the queue is full' },
        { name: 'throwing', ready: false, reason: 'broken' },
      ]),
    );
    reason = null;
    expect((await control.call('GET', '/readyz')).status).toBe(200);
  });
});
