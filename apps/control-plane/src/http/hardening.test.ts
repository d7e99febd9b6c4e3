import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestApplication, type TestApplication } from '../testing/test-application.js';
import { isDeeperThan } from './nesting-limit.js';

describe('the REST API', () => {
  let control: TestApplication;
  beforeAll(async () => {
    control = await startTestApplication();
  });
  afterAll(() => control.close());

  it.each([
    ['lists', (levels: number) => '['.repeat(levels) + ']'.repeat(levels)],
    ['objects', (levels: number) => `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`],
    ['a field', (levels: number) => `{"name":${'['.repeat(levels)}${']'.repeat(levels)}}`],
  ])(
    'refuses a body of %s within one another without end, also with an Idempotency-Key',
    async (what, nested) => {
      const withKey: Record<string, string> = { 'idempotency-key': what };
      for (const headers of [{}, withKey]) {
        const answer = await control.call('POST', '/api-tokens', { body: nested(150_000), headers });
        expect(answer.body).toMatchObject({ status: 400, code: 'invalid_request' });
        expect(answer.body.errors).toEqual([{ path: '', message: 'is nested deeper than 32 levels' }]);
      }
      expect(control.logLines.filter(({ level }) => level === 'error')).toEqual([]);
    },
  );

  it('tells browsers to show nothing of it in a frame, run nothing and keep nothing', async () => {
    for (const path of ['/agents', '/nothing', '/api/openapi.json', '/api/docs', '/metrics']) {
      const { headers } = await control.call('GET', path);
      expect(headers.get('content-security-policy'), path).toContain("frame-ancestors 'none'");
      expect(headers.get('x-frame-options'), path).toBe('DENY');
      expect(headers.get('x-content-type-options'), path).toBe('nosniff');
      expect(headers.get('referrer-policy'), path).toBe('no-referrer');
    }
    const answer = await control.call('GET', '/agents', { headers: { origin: 'https://example.com' } });
    expect(answer.headers.get('content-security-policy')).toContain("default-src 'none'");
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(answer.headers.get('access-control-allow-origin')).toBeNull();
  });

  it('has a limit for connections on which nothing moves, in either direction', async () => {
    const { timeout, requestTimeout, headersTimeout } = control.app.getHttpServer();
    expect(timeout).toBe(120_000);
    expect(requestTimeout).toBe(60_000);
    expect(headersTimeout).toBeLessThanOrEqual(60_000);
    // What it does, with a shorter one.
    control.app.getHttpServer().setTimeout(50);
    const { hostname, port } = new URL(control.baseUrl);
    const socket = connect(Number(port), hostname);
    socket.write('GET /healthz HTTP/1.1\r\nhost: x\r\n');
    socket.resume();
    await once(socket, 'close');
    control.app.getHttpServer().setTimeout(120_000);
  });
});

it('depth is counted in levels of lists and objects', () => {
  expect(isDeeperThan({ a: [1, { b: 2 }] }, 3)).toBe(false);
  expect(isDeeperThan({ a: [1, { b: 2 }] }, 2)).toBe(true);
  expect(isDeeperThan('text', 0)).toBe(false);
  expect(isDeeperThan(undefined, 0)).toBe(false);
});
