import type { ServerResponse } from 'node:http';
import type { WebhookDelivery, WebhookEventType } from '@synscope/api-contract';
import { Webhook } from 'standardwebhooks';
import { DataSource } from 'typeorm';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../testing/eventually.js';
import { startTestApplication, type TestApplication } from '../testing/test-application.js';
import {
  type ReceivedRequest,
  startWebhookReceiver,
  type WebhookReceiver,
} from '../testing/webhook-receiver.js';
import { WebhookEvents } from '../webhook-events/webhook-events.js';

let application: TestApplication;
beforeAll(async () => {
  application = await startTestApplication({
    SYNSCOPE_WEBHOOK_ALLOW_HTTP: 'true',
    SYNSCOPE_WEBHOOK_ALLOWED_NETWORKS: '127.0.0.1',
    SYNSCOPE_WEBHOOK_TIMEOUT: '1s',
  });
});
afterAll(() => application.close());

const receivers: WebhookReceiver[] = [];
const webhooks: string[] = [];
afterEach(async () => {
  for (const id of webhooks.splice(0)) await application.call('DELETE', `/webhooks/${id}`);
  await Promise.all(receivers.splice(0).map((receiver) => receiver.close()));
});

const database = () => application.app.get(DataSource);

async function receive(answer?: WebhookReceiver['answer']): Promise<WebhookReceiver> {
  const receiver = await startWebhookReceiver();
  if (answer) receiver.answer = answer;
  receivers.push(receiver);
  return receiver;
}

let names = 0;
async function webhookTo(url: string, events: readonly string[] = ['finding.opened']) {
  const { body } = await application.call('POST', '/webhooks', {
    body: { name: `to ${names++}`, url, events },
  });
  webhooks.push(body.id);
  return body as { readonly id: string; readonly secret: string };
}

const publish = (data: object, type: WebhookEventType = 'finding.opened') =>
  database().transaction((manager) =>
    application.app.get(WebhookEvents).publish(manager, { type, data: { ...data } }),
  );

const webhook = async (id: string) => (await application.call('GET', `/webhooks/${id}`)).body;
const deliveries = async (id: string): Promise<WebhookDelivery[]> =>
  (await application.call('GET', `/webhooks/${id}/deliveries`)).body.items;

/** Resolves with the newest delivery once it is so. */
const delivery = async (id: string, wanted: (one: WebhookDelivery) => boolean): Promise<WebhookDelivery> => {
  const found = await eventually(
    () => deliveries(id),
    ([first]) => first !== undefined && wanted(first),
  );
  return found[0] as WebhookDelivery;
};
const attempted = (count: number) => (one: WebhookDelivery) => one.attempts.length >= count;

/** As if so much time had gone by for a webhook: the clock of deliveries is the database's. */
async function pass(id: string, seconds: number): Promise<void> {
  await database().query(
    `UPDATE webhook SET held_until = held_until - make_interval(secs => $2), failing_since = failing_since - make_interval(secs => $2) WHERE id = $1`,
    [id, seconds],
  );
  await database().query(
    `UPDATE webhook_delivery SET next_attempt_at = next_attempt_at - make_interval(secs => $2),
            round_began_at = round_began_at - make_interval(secs => $2) WHERE webhook_id = $1 AND state = 'pending'`,
    [id, seconds],
  );
  await database().query(`SELECT pg_notify('synscope_change', 'webhook:any')`);
}

const verify = (secret: string, { headers, text }: ReceivedRequest) =>
  new Webhook(secret).verify(text, headers as Record<string, string>);

describe('an event', () => {
  it('arrives signed, as a verifier of Standard Webhooks accepts it, and is logged', async () => {
    const receiver = await receive();
    const { id, secret } = await webhookTo(receiver.url);
    await webhookTo((await receive()).url, ['session.completed']);
    await publish({ id: 'f1', title: 'größer – "quoted" \u2028 \\' });
    const [request] = await receiver.received(1);
    expect(request).toMatchObject({
      method: 'POST',
      path: '/hook',
      headers: { 'content-type': 'application/json' },
      body: { type: 'finding.opened', data: { id: 'f1', title: 'größer – "quoted" \u2028 \\' } },
    });
    expect(verify(secret, request as ReceivedRequest)).toEqual(request?.body);
    expect(() => verify(secret, { ...request, text: `${request?.text} ` } as ReceivedRequest)).toThrow(
      'No matching signature',
    );
    const logged = await delivery(id, ({ state }) => state === 'delivered');
    expect(logged).toMatchObject({
      id: request?.headers['webhook-id'],
      webhookId: id,
      eventType: 'finding.opened',
      occurredAt: request?.body.timestamp,
      nextAttemptAt: null,
      attempts: [{ number: 1, status: 204, error: null, response: null }],
    });
    expect(logged.attempts[0]?.latencyUs).toBeGreaterThan(0);
    expect((await webhook(id)).pendingDeliveries).toBe(0);
  });

  it('goes to webhooks that want it, and not to disabled ones', async () => {
    const [all, one, none] = [await receive(), await receive(), await receive()];
    await webhookTo(all.url, ['finding.opened', 'session.completed']);
    await webhookTo(one.url, ['session.completed']);
    const disabled = await webhookTo(none.url, ['finding.opened', 'session.completed']);
    await application.call('PATCH', `/webhooks/${disabled.id}`, { body: { enabled: false } });
    await publish({ id: 'wanted' });
    const { body: session } = await application.call('POST', '/trace-sessions', {
      body: { probes: ['dns'], selector: 'test=nobody', durationSeconds: 60 },
    });
    await application.call('POST', `/trace-sessions/${session.id}/stop`);
    await Promise.all([all.received(2), one.received(1)]);
    expect(all.requests.map(({ body }) => body.type).sort()).toEqual(['finding.opened', 'session.completed']);
    expect(one.requests[0]?.body).toMatchObject({
      type: 'session.completed',
      data: { id: session.id, state: 'stopped' },
    });
    expect(none.requests).toEqual([]);
  });

  it('is signed with both secrets for a day after a rotation, and with the new one alone afterwards', async () => {
    const receiver = await receive();
    const { id, secret } = await webhookTo(receiver.url);
    const rotated = await application.call('POST', `/webhooks/${id}/rotate-secret`);
    expect(rotated.status).toBe(201);
    expect(rotated.body.secret).not.toBe(secret);
    const validForMs = Date.parse(rotated.body.previousSecretsValidUntil) - Date.now();
    expect(validForMs / 3_600_000).toBeCloseTo(24, 0);
    await publish({ id: 'both' });
    const [request] = (await receiver.received(1)) as [ReceivedRequest];
    for (const known of [secret, rotated.body.secret]) expect(verify(known, request)).toEqual(request.body);
    await database().query(
      `UPDATE webhook_secret SET expires_at = expires_at - interval '24 hours' WHERE webhook_id = $1`,
      [id],
    );
    await publish({ id: 'new' });
    const [, later] = (await receiver.received(2)) as [ReceivedRequest, ReceivedRequest];
    expect(verify(rotated.body.secret, later)).toEqual(later.body);
    expect(() => verify(secret, later)).toThrow('No matching signature');
  });
});

describe('an endpoint', () => {
  it('that answers 500 for an hour gets the event later, with the same id, and holds up nobody', async () => {
    const broken = await receive((response) => response.writeHead(500).end('out\0 of order'));
    const { id, secret } = await webhookTo(broken.url);
    const well = await receive();
    await webhookTo(well.url, ['finding.updated']);
    await publish({ id: 'patient' });
    // After 5 s, 5 min, 30 min, and two hours with a fifth of jitter each.
    const hourMs = 3_600_000;
    for (const [failed, seconds] of [7, 361, 2_161, 8_641].entries()) {
      const pending = await delivery(id, attempted(failed + 1));
      expect(pending).toMatchObject({ state: 'pending', finishedAt: null });
      expect(pending.attempts.at(-1)).toMatchObject({
        status: 500,
        error: 'answered 500',
        response: 'out\ufffd of order',
      });
      expect(Date.parse(pending.nextAttemptAt ?? '')).toBeGreaterThan(Date.now());
      await publish({ id: `another ${failed}` }, 'finding.updated');
      await well.received(failed + 1);
      if (failed === 3) broken.answer = (response) => response.writeHead(200).end();
      await pass(id, seconds);
      if (failed === 2)
        expect(Date.now() - Date.parse((await webhook(id)).failingSince)).toBeGreaterThan(hourMs / 2);
    }
    const delivered = await delivery(id, ({ state }) => state === 'delivered');
    expect(delivered.attempts.map(({ status }) => status)).toEqual([500, 500, 500, 500, 200]);
    expect(broken.requests.map(({ headers }) => headers['webhook-id'])).toEqual(Array(5).fill(delivered.id));
    expect(new Set(broken.requests.map(({ text }) => text)).size).toBe(1);
    for (const request of broken.requests) expect(verify(secret, request)).toBeTruthy();
    expect(await webhook(id)).toMatchObject({ failingSince: null, heldUntil: null });
  });

  it('that hangs is given up on after the timeout, and tried again', async () => {
    const receiver = await receive(() => {});
    const { id } = await webhookTo(receiver.url);
    await publish({ id: 'hanging' });
    expect((await delivery(id, attempted(1))).attempts).toMatchObject([
      { status: null, error: 'no answer within 1 s (SYNSCOPE_WEBHOOK_TIMEOUT)', response: null },
    ]);
    receiver.answer = (response) => response.writeHead(204).end();
    await pass(id, 7);
    await delivery(id, ({ state }) => state === 'delivered');
  });

  it('that answers 301 is not followed, and the log says what to do', async () => {
    const target = await receive();
    const receiver = await receive((response) => response.writeHead(301, { location: target.url }).end());
    const { id } = await webhookTo(receiver.url);
    await publish({ id: 'moved' });
    const { attempts, state } = await delivery(id, attempted(1));
    expect(state).toBe('pending');
    expect(attempts).toMatchObject([
      {
        status: 301,
        error: `answered 301 (it leads to ${target.url}): redirects are not followed; set the webhook’s url to where it shall go`,
      },
    ]);
    expect(target.requests).toEqual([]);
  });

  it('that answers 410 disables the webhook, and cancels what waits', async () => {
    const receiver = await receive((response) => response.writeHead(500).end());
    const { id } = await webhookTo(receiver.url);
    await publish({ id: 'first' });
    await delivery(id, attempted(1));
    receiver.answer = (response) => response.writeHead(410).end('moved away');
    await publish({ id: 'second' });
    await pass(id, 3);
    await eventually(
      () => webhook(id),
      ({ enabled }) => !enabled,
    );
    expect(await webhook(id)).toMatchObject({
      disabledReason: 'answered 410: the endpoint is gone, so the webhook was disabled',
      pendingDeliveries: 0,
    });
    const both = await deliveries(id);
    expect(both.map(({ state }) => state).sort()).toEqual(['canceled', 'failed']);
    const count = receiver.requests.length;
    await publish({ id: 'third' });
    const audit = await application.call('GET', '/audit-events');
    expect(audit.body.items[0]).toMatchObject({ action: 'webhook.disable', resource: { id } });
    // Enabled again, it gets what was canceled on request, and nothing of what was missed.
    receiver.answer = (response) => response.writeHead(204).end();
    await application.call('PATCH', `/webhooks/${id}`, { body: { enabled: true } });
    const canceled = both.find(({ state }) => state === 'canceled');
    const again = await application.call(
      'POST',
      `/webhooks/${id}/deliveries/${canceled?.id}/redeliver?wait=20s`,
    );
    expect(again.body).toMatchObject({ state: 'delivered' });
    // One request, or more if the receiver took longer than the timeout.
    const since = receiver.requests.slice(count).map(({ headers }) => headers['webhook-id']);
    expect([...new Set(since)]).toEqual([canceled?.id]);
    expect(await webhook(id)).toMatchObject({ enabled: true, disabledReason: null });
  });

  it.each([200, 500])('that answers %i with a body of 1 GB is cut off', async (status) => {
    let sent = 0;
    const answer = (response: ServerResponse) => {
      response.writeHead(status);
      const chunk = Buffer.alloc(65_536, 'x');
      const write = () => {
        while (sent < 2 ** 30 && !response.destroyed) {
          sent += chunk.length;
          if (!response.write(chunk)) return void response.once('drain', write);
        }
        response.end();
      };
      write();
    };
    const receiver = await receive(answer);
    const { id } = await webhookTo(receiver.url);
    await publish({ id: 'huge' });
    const { attempts, state } = await delivery(id, attempted(1));
    expect(state).toBe(status === 200 ? 'delivered' : 'pending');
    expect(attempts[0]).toMatchObject({ status, response: status === 200 ? null : 'x'.repeat(1_024) });
    // What buffers of the two sockets hold.
    expect(sent).toBeLessThan(64 * 2 ** 20);
  });

  it('that asks for time by Retry-After gets it, for all events', async () => {
    const receiver = await receive((response) => response.writeHead(429, { 'retry-after': '3600' }).end());
    const { id } = await webhookTo(receiver.url);
    await publish({ id: 'limited' });
    const { nextAttemptAt } = await delivery(id, attempted(1));
    const inMs = Date.parse(nextAttemptAt ?? '') - Date.now();
    expect(inMs / 3_600_000).toBeCloseTo(1, 1);
    await publish({ id: 'waits' });
    await delivery(id, ({ attempts }) => attempts.length === 0);
    expect((Date.parse((await webhook(id)).heldUntil) - Date.now()) / 3_600_000).toBeCloseTo(1, 1);
    receiver.answer = (response) => response.writeHead(204).end();
    await pass(id, 3_601);
    await receiver.received(3);
    expect(receiver.requests.map(({ body }) => body.data.id).sort()).toEqual(['limited', 'limited', 'waits']);
  });

  it('that breaks off, or is not there, is told of so in the log', async () => {
    const receiver = await receive((response) => response.destroy());
    const { id } = await webhookTo(receiver.url);
    await publish({ id: 'broken' });
    expect((await delivery(id, attempted(1))).attempts[0]?.error).toMatch(/^no answer: socket hang up/);
    await receivers.splice(0)[0]?.close();
    await pass(id, 7);
    expect((await delivery(id, attempted(2))).attempts[1]?.error).toMatch(/^no answer: connect ECONNREFUSED/);
  });

  it('is given up on after ten attempts', async () => {
    const receiver = await receive((response) => response.writeHead(503).end());
    const { id } = await webhookTo(receiver.url);
    await publish({ id: 'hopeless' });
    for (let attempts = 1; attempts < 10; attempts++) {
      await delivery(id, attempted(attempts));
      await pass(id, 1.2 * 86_400);
      // Else it would be too old first.
      await database().query('UPDATE webhook_delivery SET round_began_at = now() WHERE webhook_id = $1', [
        id,
      ]);
    }
    const given = await delivery(id, ({ state }) => state === 'failed');
    expect(given.attempts).toHaveLength(10);
    expect(given).toMatchObject({ nextAttemptAt: null });
    receiver.answer = (response) => response.writeHead(204).end();
    const again = await application.call('POST', `/webhooks/${id}/deliveries/${given.id}/redeliver?wait=20s`);
    expect(again.body).toMatchObject({ id: given.id, state: 'delivered', attempts: { length: 11 } });
    expect(receiver.requests.at(-1)?.headers['webhook-id']).toBe(given.id);
  });
});

describe('a test of a webhook', () => {
  it('is attempted once, and answers with what came of it', async () => {
    const receiver = await receive();
    const { id, secret } = await webhookTo(receiver.url);
    const good = await application.call('POST', `/webhooks/${id}/test?wait=20s`);
    expect(good.status).toBe(201);
    expect(good.body).toMatchObject({ eventType: 'webhook.test', state: 'delivered' });
    const [request] = (await receiver.received(1)) as [ReceivedRequest];
    expect(verify(secret, request)).toMatchObject({ type: 'webhook.test', data: { webhookId: id } });
    receiver.answer = (response) => response.writeHead(400).end('no');
    const bad = await application.call('POST', `/webhooks/${id}/test?wait=20s`);
    expect(bad.body).toMatchObject({
      state: 'failed',
      nextAttemptAt: null,
      attempts: [{ status: 400, response: 'no' }],
    });
    const list = await application.call(
      'GET',
      `/webhooks/${id}/deliveries?state=failed&eventType=webhook.test`,
    );
    expect(list.body.items).toEqual([bad.body]);
    expect((await application.call('GET', `/webhooks/${id}/deliveries/${bad.body.id}`)).body).toEqual(
      bad.body,
    );
  });
});
