import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { startTestApplication, type TestApplication } from '../testing/test-application.js';
import { ApiTokenStore } from './api-token.store.js';

const UNKNOWN = `syn_${'A'.repeat(43)}`;

let control: TestApplication;
beforeAll(async () => {
  control = await startTestApplication({
    SYNSCOPE_RATE_LIMIT_PER_MINUTE: '20',
    SYNSCOPE_FAILED_AUTHENTICATIONS_PER_MINUTE: '3',
    SYNSCOPE_TRUSTED_PROXIES: '127.0.0.0/8',
  });
});
afterAll(() => control.close());
afterEach(() => {
  vi.restoreAllMocks();
});

/** As a proxy on loopback says it of its client. */
const from = (address: string) => ({ 'x-forwarded-for': address });
const refusedBy = async (limit: string) => {
  const { text } = await control.call('GET', '/metrics', { token: null });
  return Number(new RegExp(`synscope_http_rate_limited_total{limit="${limit}"} (\\d+)`).exec(text)?.[1]);
};

describe('the limit of a token', () => {
  it('is told with each answer, and refuses what is beyond it without a query', async () => {
    const token = await control.tokenFor('viewer');
    const first = await control.call('GET', '/agents', { token });
    expect(first.headers.get('ratelimit-policy')).toBe('"token";q=20;w=60');
    expect(first.headers.get('ratelimit')).toMatch(/^"token";r=19;t=[1-3]$/);
    let refused = first;
    while (refused.status === 200) refused = await control.call('GET', '/agents', { token });
    expect(refused.body).toMatchObject({ status: 429, code: 'rate_limited' });
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(Number(refused.headers.get('retry-after'))).toBeLessThanOrEqual(3);
    expect(await refusedBy('token')).toBeGreaterThan(0);
    const lookUp = vi.spyOn(control.app.get(ApiTokenStore), 'findValid');
    // Meanwhile one more may have flowed in.
    for (let again = refused; again.status !== 429 || again === refused; ) {
      lookUp.mockClear();
      again = await control.call('GET', '/agents', { token });
    }
    expect(lookUp).not.toHaveBeenCalled();
  });

  it('is that of one token: others go on, and so does what needs none', async () => {
    const token = await control.tokenFor('viewer');
    const other = await control.tokenFor('viewer');
    for (let sent = 0; sent < 25; sent++) await control.call('GET', '/agents', { token });
    expect((await control.call('GET', '/agents', { token: other })).status).toBe(200);
    expect((await control.call('GET', '/healthz', { token })).status).toBe(200);
  });
});

describe('the limit of tokens that do not work', () => {
  const attempt = (address: string, token = UNKNOWN) =>
    control.call('GET', '/agents', { token, headers: from(address) });

  it('refuses unknown tokens of an address without a query, and lets those go on that worked before', async () => {
    const known = await control.tokenFor('viewer');
    const fresh = await control.tokenFor('viewer');
    expect((await attempt('198.51.100.1', known)).status).toBe(200);
    const statuses: number[] = [];
    for (let sent = 0; sent < 5; sent++) statuses.push((await attempt('198.51.100.1')).status);
    expect(statuses.slice(0, 3)).toEqual([401, 401, 401]);
    expect(statuses).toContain(429);
    const lookUp = vi.spyOn(control.app.get(ApiTokenStore), 'findValid');
    const refused = await attempt('198.51.100.1', `syn_${'B'.repeat(43)}`);
    expect(refused.body).toMatchObject({ status: 429, code: 'rate_limited' });
    expect(refused.body.detail).toContain('198.51.100.1');
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(lookUp).not.toHaveBeenCalled();
    expect(await refusedBy('address')).toBeGreaterThan(0);
    expect((await attempt('198.51.100.1', known)).status).toBe(200);
    expect((await attempt('198.51.100.1', fresh)).status).toBe(429);
    expect((await attempt('198.51.100.2', fresh)).status).toBe(200);
  });

  it('takes the addresses of one IPv6 network for one', async () => {
    for (let sent = 0; sent < 4; sent++) await attempt(`2001:db8::${sent + 1}`);
    expect((await attempt('2001:db8::ffff')).status).toBe(429);
    expect((await attempt('2001:db8:0:1::1')).status).toBe(401);
  });

  it('does not count requests without a token, which cost nothing', async () => {
    for (let sent = 0; sent < 8; sent++) {
      const answer = await control.call('GET', '/agents', { token: null, headers: from('198.51.100.3') });
      expect(answer.status).toBe(401);
    }
  });
});

it('the address in audit events is that of the client behind a trusted proxy, and of nobody else’s claim', async () => {
  const create = async (application: TestApplication) => {
    const { headers } = await application.call('POST', '/join-tokens', {
      body: { name: 'x' },
      headers: from('203.0.113.9'),
    });
    const events = await application.call('GET', `/audit-events?requestId=${headers.get('x-request-id')}`);
    return events.body.items[0].source.address;
  };
  expect(await create(control)).toBe('203.0.113.9');
  const open = await startTestApplication();
  expect(await create(open)).toBe('127.0.0.1');
  await open.close();
});
