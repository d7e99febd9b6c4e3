import type { WebhookDelivery } from '@synscope/api-contract';
import { DataSource } from 'typeorm';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../testing/eventually.js';
import { startTestApplication, type TestApplication } from '../testing/test-application.js';
import { startWebhookReceiver, type WebhookReceiver } from '../testing/webhook-receiver.js';
import { WebhookEvents } from '../webhook-events/webhook-events.js';
import { DeliveryQueueStore } from './delivery-queue.store.js';

const ENVIRONMENT = {
  SYNSCOPE_WEBHOOK_ALLOW_HTTP: 'true',
  SYNSCOPE_WEBHOOK_ALLOWED_NETWORKS: '127.0.0.1',
  // Longer than any test: what hangs here hangs.
  SYNSCOPE_WEBHOOK_TIMEOUT: '60s',
};
let here: TestApplication;
let there: TestApplication;
beforeAll(async () => {
  here = await startTestApplication(ENVIRONMENT);
  there = await startTestApplication({ ...ENVIRONMENT, DATABASE_URL: here.databaseUrl });
});
afterAll(async () => {
  await there.close();
  await here.close();
});

const receivers: WebhookReceiver[] = [];
const webhooks: string[] = [];
afterEach(async () => {
  await Promise.all(receivers.splice(0).map((receiver) => receiver.close()));
  for (const id of webhooks.splice(0)) await here.call('DELETE', `/webhooks/${id}`);
});

async function receive(answer?: WebhookReceiver['answer']): Promise<WebhookReceiver> {
  const receiver = await startWebhookReceiver();
  if (answer) receiver.answer = answer;
  receivers.push(receiver);
  return receiver;
}

let names = 0;
async function webhookTo(url: string): Promise<string> {
  const body = { name: `to ${names++}`, url, events: ['finding.opened'] };
  const id = (await here.call('POST', '/webhooks', { body })).body.id;
  webhooks.push(id);
  return id;
}

const database = () => here.app.get(DataSource);
const publish = (count: number) =>
  database().transaction((manager) =>
    here.app.get(WebhookEvents).publish(
      manager,
      ...Array.from({ length: count }, (_, number) => ({
        type: 'finding.opened' as const,
        data: { number },
      })),
    ),
  );
const wake = () => database().query(`SELECT pg_notify('synscope_change', 'webhook:any')`);
const onlyDelivery = async (
  id: string,
  wanted: (one: WebhookDelivery) => boolean,
): Promise<WebhookDelivery> => {
  const items = await eventually<WebhookDelivery[]>(
    async () => (await there.call('GET', `/webhooks/${id}/deliveries`)).body.items,
    ([first]) => first !== undefined && wanted(first),
  );
  return items[0] as WebhookDelivery;
};

/** Attempts that this replica has made and that succeeded. */
async function deliveredBy({ baseUrl }: TestApplication): Promise<number> {
  const metrics = await (await fetch(`${baseUrl}/metrics`)).text();
  return Number(/synscope_webhook_attempts_total\{outcome="delivered"\} (\d+)/.exec(metrics)?.[1] ?? 0);
}

describe('two replicas', () => {
  it('deliver 500 events that come at once, each exactly once', async () => {
    const receiver = await receive();
    const id = await webhookTo(receiver.url);
    await publish(500);
    const requests = await receiver.received(500);
    await eventually(
      async () => (await here.call('GET', `/webhooks/${id}`)).body.pendingDeliveries,
      (pending) => pending === 0,
    );
    expect(receiver.requests).toHaveLength(500);
    expect(new Set(requests.map(({ headers }) => headers['webhook-id'])).size).toBe(500);
    expect(new Set(requests.map(({ body }) => body.data.number)).size).toBe(500);
    const [{ states }] = await database().query(
      'SELECT array_agg(DISTINCT state) AS states FROM webhook_delivery WHERE webhook_id = $1 AND attempts = 1',
      [id],
    );
    expect(states).toEqual(['delivered']);
    const counts = await Promise.all([here, there].map(deliveredBy));
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(500);
    for (const { logLines } of [here, there])
      expect(logLines.filter(({ level }) => Number(level) >= 40)).toEqual([]);
  });

  it('take over an attempt of one that was killed in the middle of it, with the same id', async () => {
    const receiver = await receive();
    const id = await webhookTo(receiver.url);
    // Somebody takes it on, and is never heard of again.
    await database().query('UPDATE webhook SET enabled = FALSE WHERE id = $1', [id]);
    await publish(1);
    await wake();
    const [event] = await eventually(
      () => database().query('SELECT id, fanned_out AS done FROM webhook_event ORDER BY id DESC LIMIT 1'),
      ([newest]: { id: string; done: boolean }[]) => newest?.done === true,
    );
    await database().query(
      `INSERT INTO webhook_delivery (webhook_id, event_id, attempts, attempts_left, next_attempt_at, leased_until)
       VALUES ($1, $2, 1, 9, now() + interval '1 hour', now() + interval '1 hour')`,
      [id, event?.id],
    );
    await database().query('UPDATE webhook SET enabled = TRUE WHERE id = $1', [id]);
    await wake();
    expect((await onlyDelivery(id, () => true)).state).toBe('pending');
    expect(receiver.requests).toEqual([]);
    // Its lease runs out.
    await database().query(
      `UPDATE webhook_delivery SET next_attempt_at = now(), leased_until = now() WHERE webhook_id = $1`,
      [id],
    );
    await wake();
    const delivery = await onlyDelivery(id, ({ state }) => state === 'delivered');
    expect(delivery.attempts).toMatchObject([
      { number: 1, status: null, error: expect.stringMatching(/^not known: the control plane that made/) },
      { number: 2, status: 204 },
    ]);
    expect(receiver.requests.map(({ headers }) => headers['webhook-id'])).toEqual([event?.id]);
  });

  it('never take on the same attempt, however often they ask at once', async () => {
    const receiver = await receive((response) => response.writeHead(204).end());
    const id = await webhookTo(receiver.url);
    const stores = [here, there].map(({ app }) => app.get(DeliveryQueueStore));
    await publish(200);
    const claimed = (
      await Promise.all(
        Array.from({ length: 40 }, (_, index) =>
          stores[index % 2]?.claim({ places: 64, placesForFailing: 64 }),
        ),
      )
    ).flatMap((attempts) => attempts ?? []);
    const ids = claimed.map(({ eventId }) => eventId);
    expect(new Set(ids).size).toBe(ids.length);
    // What this test has taken on is given back, as if its leases had run out.
    await database().query(
      'UPDATE webhook_delivery SET next_attempt_at = now(), leased_until = now() WHERE webhook_id = $1 AND event_id = ANY ($2)',
      [id, ids],
    );
    await wake();
    await receiver.received(200);
    expect(new Set(receiver.requests.map(({ headers }) => headers['webhook-id'])).size).toBe(200);
  });

  it('deliver to an endpoint that is well while many others hang', async () => {
    const hanging = await receive(() => {});
    for (let count = 0; count < 20; count++) await webhookTo(hanging.url);
    const well = await receive();
    await webhookTo(well.url);
    await publish(30);
    await well.received(30);
    // None of those that hang has come to its timeout.
    expect((await here.call('GET', '/webhooks')).text).not.toContain('"failingSince":"');
    expect(hanging.requests.length).toBeGreaterThan(20);
  });
});
