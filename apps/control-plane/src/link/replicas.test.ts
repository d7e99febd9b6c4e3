import { status } from '@grpc/grpc-js';
import { FakeAgent } from '@synscope/testing';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { testFleet } from '../testing/fleet.js';
import { startTestApplication, type TestApplication } from '../testing/test-application.js';

let here: TestApplication;
let there: TestApplication;
beforeAll(async () => {
  here = await startTestApplication();
  there = await startTestApplication({ DATABASE_URL: here.databaseUrl });
});
afterAll(async () => {
  await there.close();
  await here.close();
});

/** Enrols here, connects there. */
async function agentThere(labels: Readonly<Record<string, string>>): Promise<FakeAgent> {
  const identity = await testFleet(here).enrol(labels);
  return FakeAgent.connect({ address: there.grpcAddress ?? '', identity, hello: { labels: { ...labels } } });
}

describe('two control planes on one database', () => {
  it('run a session on each other’s agents, wait for them, and stop it', async () => {
    const agent = await agentThere({ test: 'both' });
    const { body } = await testFleet(here).session({ selector: 'test=both' }, '?wait=10s');
    expect(body).toMatchObject({ state: 'running', targets: { running: 1 } });
    const stopped = await here.call('POST', `/trace-sessions/${body.id}/stop?wait=10s`);
    expect(stopped.body).toMatchObject({ state: 'stopped', targets: { done: 1 } });
    await agent.disconnect();
  });

  it('cut the stream of an agent that was revoked at the other', async () => {
    const agent = await agentThere({ test: 'revoked' });
    await here.call('DELETE', `/agents/${agent.agentId}`);
    expect(await agent.ended).toMatchObject({ code: status.PERMISSION_DENIED });
  });

  it('cut it also when the hint got lost', async () => {
    const agent = await agentThere({ test: 'lost-hint' });
    const database = new pg.Client({ connectionString: here.databaseUrl });
    await database.connect();
    await database.query('UPDATE agent SET revoked_at = now() WHERE id = $1', [agent.agentId]);
    await database.end();
    expect(await agent.ended).toMatchObject({ code: status.PERMISSION_DENIED });
  });

  it('end the older stream of an agent that came back to the other', async () => {
    const older = await agentThere({ test: 'moved' });
    const newer = await testFleet(here).connect(older.identity ?? expect.fail('enrolled'));
    expect(await older.ended).toMatchObject({
      code: status.ABORTED,
      details: expect.stringContaining('newer'),
    });
    expect((await here.call('GET', `/agents/${newer.agentId}`)).body.status).toBe('online');
    await newer.disconnect();
  });
});
