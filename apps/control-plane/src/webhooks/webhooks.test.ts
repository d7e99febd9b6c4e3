import { DataSource } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestApplication, type TestApplication } from '../testing/test-application.js';

let application: TestApplication;
beforeAll(async () => {
  application = await startTestApplication();
});
afterAll(() => application.close());

const BODY = { name: 'tickets', url: 'https://bots.example.com/hook?key=s3cret', events: ['finding.opened'] };
let names = 0;
const create = (body: object = {}, options: object = {}) =>
  application.call('POST', '/webhooks', {
    body: { ...BODY, name: `webhook ${names++}`, ...body },
    ...options,
  });

describe('a webhook', () => {
  it('is created with a secret that is shown this once', async () => {
    const created = await create({ name: 'once', enabled: false });
    expect(created.status).toBe(201);
    expect(created.body).toMatchObject({
      name: 'once',
      url: BODY.url,
      events: ['finding.opened'],
      enabled: false,
      disabledReason: null,
      failingSince: null,
      heldUntil: null,
      pendingDeliveries: 0,
      previousSecretsValidUntil: null,
    });
    expect(created.body.secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    const { secret, ...shown } = created.body;
    expect((await application.call('GET', `/webhooks/${shown.id}`)).body).toEqual(shown);
    const list = await application.call('GET', '/webhooks?name=once');
    expect(list.body.items).toEqual([shown]);
    const events = await application.call('GET', '/audit-events');
    expect(events.text).toContain('webhook.create');
    for (const { text } of [list, events]) expect(text).not.toContain(secret);
    // The path of a URL is a secret too, with some services.
    expect(events.text).not.toContain('s3cret');
    expect(JSON.stringify(application.logLines)).not.toContain(secret);
  });

  it('is changed, disabled and deleted', async () => {
    const { body: webhook } = await create();
    const path = `/webhooks/${webhook.id}`;
    const changed = await application.call('PATCH', path, {
      body: { events: ['session.completed', 'threshold.exceeded'], enabled: false },
    });
    expect(changed.body).toMatchObject({
      url: BODY.url,
      events: ['session.completed', 'threshold.exceeded'],
      enabled: false,
      disabledReason: null,
    });
    expect((await application.call('POST', `${path}/test`)).body).toMatchObject({
      status: 409,
      code: 'webhook_disabled',
    });
    expect((await application.call('DELETE', path)).status).toBe(204);
    for (const [method, of] of [
      ['GET', ''],
      ['DELETE', ''],
      ['POST', '/test'],
      ['POST', '/rotate-secret'],
      ['GET', '/deliveries'],
      ['GET', `/deliveries/${webhook.id}`],
      ['POST', `/deliveries/${webhook.id}/redeliver`],
    ] as const)
      expect((await application.call(method, path + of)).status).toBe(404);
    expect((await application.call('PATCH', path, { body: { enabled: true } })).status).toBe(404);
  });

  it('has a name of its own', async () => {
    await create({ name: 'taken' });
    const { body: other } = await create();
    expect((await create({ name: ' taken ' })).body).toMatchObject({
      status: 409,
      code: 'webhook_name_taken',
      errors: [{ path: 'name' }],
    });
    const renamed = await application.call('PATCH', `/webhooks/${other.id}`, { body: { name: 'taken' } });
    expect(renamed.body.code).toBe('webhook_name_taken');
  });

  it('is created once for an Idempotency-Key, and the same secret is answered again', async () => {
    const body = { ...BODY, name: 'idempotent' };
    const headers = { 'idempotency-key': 'one webhook' };
    const [first, second] = [
      await application.call('POST', '/webhooks', { body, headers }),
      await application.call('POST', '/webhooks', { body, headers }),
    ];
    expect(second.body).toEqual(first.body);
  });

  it.each<[string, object, string, RegExp]>([
    ['no URL', { url: 'bots.example.com' }, 'url', /expected a URL/],
    ['a URL of another kind', { url: 'ftp://bots.example.com/' }, 'url', /expected a URL/],
    ['a password in its URL', { url: 'https://me:secret@bots.example.com/' }, 'url', /expected a URL/],
    ['a fragment', { url: 'https://bots.example.com/#here' }, 'url', /expected a URL/],
    ['HTTP', { url: 'http://bots.example.com/' }, 'url', /SYNSCOPE_WEBHOOK_ALLOW_HTTP=true/],
    ['loopback', { url: 'https://127.0.0.1/' }, 'url', /loopback address; SYNSCOPE_WEBHOOK_ALLOWED_NETWORKS/],
    ['loopback as a number', { url: 'https://2130706433/' }, 'url', /127\.0\.0\.1 is a loopback address/],
    ['the metadata of a cloud', { url: 'https://169.254.169.254/latest' }, 'url', /link-local/],
    ['a mapped address', { url: 'https://[::ffff:10.0.0.1]/' }, 'url', /IPv4 address written as IPv6/],
    ['NAT64', { url: 'https://[64:ff9b::10.0.0.1]/' }, 'url', /NAT64/],
    ['no event', { events: [] }, 'events', /at least one/],
    ['an unknown event', { events: ['finding.closed'] }, 'events.0', /expected one of finding\.opened/],
    ['the test event', { events: ['webhook.test'] }, 'events.0', /expected one of/],
    ['an event twice', { events: ['finding.opened', 'finding.opened'] }, 'events', /twice/],
    ['no name', { name: ' ' }, 'name', /a name is needed/],
    ['an unknown field', { secret: 'whsec_mine' }, 'secret', /./],
  ])('is refused with %s', async (_what, body, path, message) => {
    const refused = await create(body);
    expect(refused.body).toMatchObject({ status: 400, code: 'invalid_request' });
    expect(refused.body.errors).toEqual([{ path, message: expect.stringMatching(message) }]);
  });

  it('is not changed to a URL that would be refused', async () => {
    const { body: webhook } = await create();
    const refused = await application.call('PATCH', `/webhooks/${webhook.id}`, {
      body: { url: 'https://[::1]/' },
    });
    expect(refused.body.errors).toMatchObject([{ path: 'url' }]);
    expect((await application.call('PATCH', `/webhooks/${webhook.id}`, { body: {} })).status).toBe(400);
  });

  it('is made by admins, tested by operators, and not shown to viewers', async () => {
    const { body: webhook } = await create({ enabled: false });
    const [viewer, operator] = [await application.tokenFor('viewer'), await application.tokenFor('operator')];
    const status = async (method: string, path: string, token: string, body?: object) =>
      (await application.call(method, path, { token, ...(body && { body }) })).status;
    const path = `/webhooks/${webhook.id}`;
    expect(await status('GET', '/webhooks', viewer)).toBe(403);
    expect(await status('GET', '/webhooks', operator)).toBe(200);
    expect(await status('POST', `${path}/test`, viewer)).toBe(403);
    expect(await status('POST', `${path}/test`, operator)).toBe(409);
    expect(await status('POST', '/webhooks', operator, { ...BODY, name: 'mine' })).toBe(403);
    expect(await status('PATCH', path, operator, { enabled: true })).toBe(403);
    expect(await status('POST', `${path}/rotate-secret`, operator)).toBe(403);
    expect(await status('DELETE', path, operator)).toBe(403);
  });

  it('is one of a hundred at most', async () => {
    await application.app.get(DataSource).query(
      `INSERT INTO webhook (id, name, url, events, enabled)
       SELECT gen_random_uuid(), 'filler ' || n, 'https://bots.example.com/', '{finding.opened}', FALSE
         FROM generate_series((SELECT count(*) FROM webhook) + 1, 100) AS n`,
    );
    expect((await create()).body).toMatchObject({ status: 409, code: 'conflict' });
    const all = await application.call('GET', '/webhooks', { headers: { accept: 'application/x-ndjson' } });
    expect(all.text.trim().split('\n')).toHaveLength(100);
  });
});
