import { DataSource } from 'typeorm';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../testing/eventually.js';
import { type TestFleet, testFleet } from '../testing/fleet.js';
import { startTestApplication, type TestApplication } from '../testing/test-application.js';
import { WebhookEvents } from './webhook-events.js';

let here: TestApplication;
let there: TestApplication;
let fleet: TestFleet;
beforeAll(async () => {
  here = await startTestApplication();
  there = await startTestApplication({ DATABASE_URL: here.databaseUrl });
  fleet = testFleet(here);
});
afterEach(() => fleet.close());
afterAll(async () => {
  await there.close();
  await here.close();
});

interface StoredEvent {
  readonly type: string;
  readonly data: Readonly<Record<string, unknown>>;
}

const database = () => here.app.get(DataSource);
const eventsOf = async (id: string): Promise<StoredEvent[]> => {
  const events: StoredEvent[] = await database().query('SELECT type, data FROM webhook_event ORDER BY id');
  return events.filter(({ data }) => data['id'] === id);
};

describe('events for bots', () => {
  it('are there when the transaction that published them commits, in their order and as they were', async () => {
    const data = { id: 'ordered', text: '\u0000 \ud800 "\\ {,} NULL', nested: { z: 1, a: [null, 'x'] } };
    await database().transaction((manager) =>
      here.app
        .get(WebhookEvents)
        .publish(manager, { type: 'finding.opened', data }, { type: 'finding.resolved', data }),
    );
    expect(await eventsOf('ordered')).toEqual([
      { type: 'finding.opened', data },
      { type: 'finding.resolved', data },
    ]);
  });

  it('are not there when it does not', async () => {
    const publishing = database().transaction(async (manager) => {
      await here.app.get(WebhookEvents).publish(manager, { type: 'finding.opened', data: { id: 'undone' } });
      throw new Error('changed its mind');
    });
    await expect(publishing).rejects.toThrow('changed its mind');
    expect(await eventsOf('undone')).toEqual([]);
  });
});

describe('session.completed', () => {
  it('is published once when a session is stopped, however often that is asked for', async () => {
    await fleet.agent({ test: 'stopped' });
    const { body: session } = await fleet.session({ name: 'a look', selector: 'test=stopped' }, '?wait=10s');
    await Promise.all(
      [here, there, here].map((replica) =>
        replica.call('POST', `/trace-sessions/${session.id}/stop?wait=10s`),
      ),
    );
    expect(await eventsOf(session.id)).toMatchObject([
      {
        type: 'session.completed',
        data: {
          id: session.id,
          name: 'a look',
          state: 'stopped',
          spec: { selector: 'test=stopped' },
          endedAt: expect.stringMatching(/Z$/),
          targets: { matched: 1, failed: 0 },
        },
      },
    ]);
  });

  it('is published once by two replicas that both see its time run out', async () => {
    await fleet.agent({ test: 'over' });
    const { body: session } = await fleet.session({ selector: 'test=over', durationSeconds: 1 }, '?wait=10s');
    await eventually(
      async () => (await there.call('GET', `/trace-sessions/${session.id}`)).body.state,
      (state) => state === 'completed',
    );
    expect(await eventsOf(session.id)).toMatchObject([
      { type: 'session.completed', data: { state: 'completed', name: null } },
    ]);
  });
});
