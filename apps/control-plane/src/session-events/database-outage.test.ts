import { startThrowawayPostgres, type ThrowawayPostgres } from '@synscope/testing';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { EventReader } from '../testing/event-reader.js';
import { testFleet } from '../testing/fleet.js';
import { batchOf, handshakeRecord } from '../testing/handshake-batch.js';
import { startTestApplication, type TestApplication } from '../testing/test-application.js';

let postgres: ThrowawayPostgres;
let application: TestApplication;
beforeAll(async () => {
  postgres = await startThrowawayPostgres({ durable: true });
  application = await startTestApplication({ DATABASE_URL: postgres.url });
});
afterAll(async () => {
  await application.close();
  await postgres.remove();
});

it('stays open while the database is killed and comes back, and has every record once', async () => {
  const agent = await testFleet(application).agent({ test: 'outage' });
  const { body } = await testFleet(application).session({ selector: 'test=outage' }, '?wait=10s');
  const heartbeats = setInterval(() => agent.heartbeat(), 1_000);
  const reader = await EventReader.open(application, `/trace-sessions/${body.id}/events`);
  const next = async () => (await reader.nextOf('handshake')).data.local.port;
  const send = (localPort: number) =>
    agent.batch(batchOf(localPort, [handshakeRecord({ sessionIds: [body.id], localPort })]));
  try {
    send(1);
    expect(await next()).toBe(1);
    // Numbers of transactions that leave nothing in the log are given again after the crash.
    const client = new pg.Client({ connectionString: postgres.url });
    client.on('error', () => undefined);
    await client.connect();
    for (let number = 0; number < 50; number++)
      await client.query('BEGIN; SELECT pg_current_xact_id(); ROLLBACK');
    const late = await EventReader.open(application, `/trace-sessions/${body.id}/events?from=now`);
    await late.nextOf('session');
    await postgres.kill();
    send(2);
    await postgres.start();
    expect(await next()).toBe(2);
    expect((await late.nextOf('handshake')).data.local.port).toBe(2);
    late.leave();
    send(3);
    expect(await next()).toBe(3);
    await application.call('POST', `/trace-sessions/${body.id}/stop`);
    expect((await reader.rest()).at(-1)?.event).toBe('end');
  } finally {
    clearInterval(heartbeats);
    reader.leave();
  }
  const resumed = await EventReader.open(
    application,
    `/trace-sessions/${body.id}/events?lastEventId=${reader.received[1]?.id}`,
  );
  const ports = (await resumed.rest())
    .filter(({ event }) => event === 'handshake')
    .map(({ data }) => data.local.port);
  expect(ports).toEqual([2, 3]);
  await agent.disconnect();
});
