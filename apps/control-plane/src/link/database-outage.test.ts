import { status } from '@grpc/grpc-js';
import { startThrowawayPostgres, type ThrowawayPostgres } from '@synscope/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually } from '../testing/eventually.js';
import { testFleet } from '../testing/fleet.js';
import { batchOf, handshakeRecord } from '../testing/handshake-batch.js';
import { startTestApplication, type TestApplication } from '../testing/test-application.js';

let postgres: ThrowawayPostgres;
let application: TestApplication;
beforeAll(async () => {
  postgres = await startThrowawayPostgres();
  application = await startTestApplication({
    DATABASE_URL: postgres.url,
    SYNSCOPE_AGENT_HEARTBEAT: '1s',
    SYNSCOPE_AGENT_LEASE: '3s',
  });
});
afterAll(async () => {
  await application.close();
  await postgres.remove();
});

it('keeps streams, leases and batches over an outage of the database, and goes on by itself', async () => {
  const agent = await testFleet(application).agent({ test: 'outage' });
  const { body: session } = await testFleet(application).session({ selector: 'test=outage' }, '?wait=10s');
  const heartbeats = setInterval(() => agent.heartbeat(), 500);
  try {
    await postgres.stop();
    agent.batch(batchOf(1, [handshakeRecord()]));
    agent.finish(session.id, { recordCount: 1n });
    // Two of them: the leases are renewed although the database is away.
    await agent.desired.until((desired) => desired.sessions.length === 1);
    await agent.desired.until((desired) => desired.sessions.length === 1);
    expect(agent.acks.size).toBe(0);
    await postgres.start();
    expect(await agent.acks.next()).toBe(1n);
    await agent.desired.until((desired) => desired.sessions.length === 0);
    const { body } = await application.call('GET', `/trace-sessions/${session.id}?wait=30s`);
    expect(body).toMatchObject({ state: 'completed', recordCounts: { tcp_handshake: 1 } });
    // Its next heartbeats are written.
    await eventually(
      () => application.call('GET', `/agents/${agent.agentId}`),
      (row) => row.body.status === 'online',
    );
  } finally {
    clearInterval(heartbeats);
  }
  await agent.disconnect();
});

it('shuts down although the database is away and a batch waits for it', async () => {
  const other = await startTestApplication({ DATABASE_URL: postgres.url, SYNSCOPE_SHUTDOWN_TIMEOUT: '3s' });
  const agent = await testFleet(other).agent();
  await postgres.stop();
  try {
    agent.batch(batchOf(1, [handshakeRecord()]));
    agent.heartbeat();
    await other.close();
    expect(await agent.ended).toMatchObject({ code: status.UNAVAILABLE });
    expect(agent.acks.size).toBe(0);
  } finally {
    await postgres.start();
  }
});
