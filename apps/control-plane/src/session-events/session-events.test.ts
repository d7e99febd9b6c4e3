import { randomUUID } from 'node:crypto';
import type { FakeAgent } from '@synscope/testing';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { RecordReader } from '../record-queries/record-reader.js';
import { dnsQueryRecord } from '../testing/dns-query-record.js';
import { EventReader, type ReceivedEvent } from '../testing/event-reader.js';
import { eventually } from '../testing/eventually.js';
import { testFleet } from '../testing/fleet.js';
import { handshakeRecord } from '../testing/handshake-batch.js';
import { listenerRecord } from '../testing/listener-record.js';
import { nameLookupRecord } from '../testing/name-lookup-record.js';
import { receiveQueueDropRecord } from '../testing/receive-queue-drop-record.js';
import { type BatchContents, recordBatch } from '../testing/record-batch.js';
import { startTestApplication, type TestApplication } from '../testing/test-application.js';
import { SessionWatch } from './session-watch.js';

const RECORD_EVENTS = ['handshake', 'dns_query', 'name_lookup', 'receive_queue_drop', 'listener'];

let here: TestApplication;
let there: TestApplication;
const readers: EventReader[] = [];
beforeAll(async () => {
  here = await startTestApplication({ SYNSCOPE_EVENT_STREAMS: '5' });
  there = await startTestApplication({ DATABASE_URL: here.databaseUrl });
});
afterEach(() => {
  for (const reader of readers.splice(0)) reader.leave();
});
afterAll(async () => {
  await there.close();
  await here.close();
});

interface Traced {
  readonly id: string;
  readonly agents: readonly TracedAgent[];
}

interface TracedAgent {
  readonly agent: FakeAgent;
  /** Sends a batch; resolves when it is stored. */
  store(contents: BatchContents): Promise<void>;
  readonly record: { readonly sessionIds: readonly string[] };
}

/** A session of its own, running on new agents; the agents are connected to these applications in turn. */
async function traced(
  applications: readonly TestApplication[] = [here],
  body: Readonly<Record<string, unknown>> = {},
): Promise<Traced> {
  const test = randomUUID().slice(0, 8);
  const agents: FakeAgent[] = [];
  for (const application of applications) agents.push(await testFleet(application).agent({ test }));
  const session = await testFleet(here).session(
    { selector: `test=${test}`, probes: ['tcp_handshake', 'dns', 'name_lookup', 'listener'], ...body },
    '?wait=10s',
  );
  const { id } = session.body;
  return { id, agents: agents.map((agent) => tracedAgent(agent, id)) };
}

function tracedAgent(agent: FakeAgent, sessionId: string): TracedAgent {
  let seq = 0;
  return {
    agent,
    record: { sessionIds: [sessionId] },
    store: async (contents) => {
      agent.batch(recordBatch(++seq, contents));
      await agent.acks.next();
    },
  };
}

async function watch(
  application: TestApplication,
  sessionId: string,
  { query = '', headers = {} }: { query?: string; headers?: Record<string, string> } = {},
): Promise<EventReader> {
  const reader = await EventReader.open(application, `/trace-sessions/${sessionId}/events${query}`, {
    headers,
  });
  readers.push(reader);
  return reader;
}

const resume = (application: TestApplication, sessionId: string, lastEventId: string) =>
  watch(application, sessionId, { headers: { 'last-event-id': lastEventId } });

const ports = (from: number, count: number) => Array.from({ length: count }, (_, index) => from + index);
const portsOf = (events: readonly ReceivedEvent[]) =>
  events.filter(({ event }) => event === 'handshake').map(({ data }) => data.local.port);
const take = async (reader: EventReader, count: number) => {
  const events: ReceivedEvent[] = [];
  while (events.length < count) events.push(await reader.nextOf(...RECORD_EVENTS));
  return events;
};
const nothingWatched = (application: TestApplication) =>
  expect.poll(() => application.app.get(SessionWatch).size, { interval: 5 }).toBe(0);

describe('GET /trace-sessions/{id}/events', () => {
  it('streams the session and every kind of its records as the lists have them, and closes after its end', async () => {
    const { id, agents } = await traced();
    const [one] = agents as [TracedAgent];
    const reader = await watch(here, id);
    expect(reader.response.headers).toMatchObject({
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
    });
    expect(await reader.next()).toMatchObject({ event: 'session', data: { id, state: 'running' } });
    await one.store({
      handshakes: [handshakeRecord(one.record)],
      dnsQueries: [dnsQueryRecord(one.record), dnsQueryRecord({ ...one.record, queryName: 'b.example' })],
      nameLookups: [nameLookupRecord(one.record)],
      receiveQueueDrops: [receiveQueueDropRecord(one.record)],
      listeners: [listenerRecord(one.record)],
    });
    const events = await take(reader, 6);
    for (const [event, list] of [
      ['handshake', 'handshakes'],
      ['dns_query', 'dns-queries'],
      ['name_lookup', 'name-lookups'],
      ['receive_queue_drop', 'receive-queue-drops'],
      ['listener', 'listener-samples'],
    ]) {
      const { items } = (await here.call('GET', `/${list}?sessionId=${id}`)).body;
      const sent = events.filter((candidate) => candidate.event === event).map(({ data }) => data);
      expect(items).toHaveLength(event === 'dns_query' ? 2 : 1);
      expect(sent).toEqual(expect.arrayContaining(items));
      expect(sent).toHaveLength(items.length);
    }
    await one.store({ handshakes: [handshakeRecord(one.record)] });
    await here.call('POST', `/trace-sessions/${id}/stop`);
    const rest = await reader.rest();
    expect(rest.filter(({ event }) => event === 'handshake')).toHaveLength(1);
    expect(rest.at(-2)).toMatchObject({ event: 'session', data: { state: 'stopped', targets: { done: 1 } } });
    expect(rest.at(-1)).toMatchObject({ event: 'end', data: { state: 'stopped' } });
    await nothingWatched(here);
  });

  it('leaves out what is of other sessions, also in the same batch', async () => {
    const { id, agents } = await traced();
    const [one] = agents as [TracedAgent];
    const reader = await watch(here, id);
    await one.store({
      handshakes: [
        handshakeRecord({ sessionIds: [randomUUID()], localPort: 1 }),
        handshakeRecord({ sessionIds: [randomUUID(), id], localPort: 2 }),
      ],
    });
    await one.store({ handshakes: [handshakeRecord({ ...one.record, localPort: 3 })] });
    expect(portsOf(await take(reader, 2))).toEqual([2, 3]);
  });

  it('begins with what is stored already, or with what comes from now on', async () => {
    const { id, agents } = await traced();
    const [one] = agents as [TracedAgent];
    await one.store({ handshakes: [handshakeRecord({ ...one.record, localPort: 1 })] });
    const fromStart = await watch(here, id);
    const fromNow = await watch(here, id, { query: '?from=now' });
    await fromNow.nextOf('session');
    await one.store({ handshakes: [handshakeRecord({ ...one.record, localPort: 2 })] });
    expect(portsOf(await take(fromStart, 2))).toEqual([1, 2]);
    expect(portsOf(await take(fromNow, 1))).toEqual([2]);
  });

  it('has what agents of all replicas bring, late or early, once each', async () => {
    const { id, agents } = await traced([here, there, there]);
    const reader = await watch(here, id);
    const nowUs = Date.now() * 1_000;
    await Promise.all(
      agents.map(async ({ store, record }, index) => {
        for (let round = 0; round < 20; round++) {
          // Some were observed long before others that are stored already, across hours too.
          const observedAtUs = nowUs - ((round * 7) % 5) * 1_000_000_000;
          await store({
            handshakes: [handshakeRecord({ ...record, observedAtUs, localPort: index * 100 + round })],
          });
        }
      }),
    );
    const wanted = [0, 1, 2].flatMap((index) => ports(index * 100, 20));
    expect(portsOf(await take(reader, 60)).sort((left, right) => left - right)).toEqual(wanted);
    await here.call('POST', `/trace-sessions/${id}/stop`);
    expect(portsOf(await reader.rest())).toEqual([]);
  });

  it('has what a transaction commits after others that began later', async () => {
    const { id, agents } = await traced([here, here]);
    const [slow, quick] = agents as [TracedAgent, TracedAgent];
    const reader = await watch(here, id);
    const locking = new pg.Client({ connectionString: here.databaseUrl });
    await locking.connect();
    // The slow one's transaction has written the ledger, and has to wait for the table of its records.
    await locking.query('BEGIN; LOCK TABLE name_lookup IN SHARE MODE');
    const stored = slow.store({ nameLookups: [nameLookupRecord(slow.record)] });
    await eventually(
      async () =>
        locking.query(`SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'name_lookup'::regclass`),
      ({ rowCount }) => rowCount === 1,
    );
    await quick.store({ handshakes: [handshakeRecord({ ...quick.record, localPort: 1 })] });
    const [overtaking] = await take(reader, 1);
    expect(overtaking).toMatchObject({ event: 'handshake', data: { local: { port: 1 } } });
    await locking.query('COMMIT');
    await locking.end();
    await stored;
    await quick.store({ handshakes: [handshakeRecord({ ...quick.record, localPort: 2 })] });
    await here.call('POST', `/trace-sessions/${id}/stop`);
    const kindsOf = (events: readonly ReceivedEvent[]) =>
      events.filter(({ event }) => RECORD_EVENTS.includes(event)).map(({ event }) => event);
    expect(kindsOf(await reader.rest()).sort()).toEqual(['handshake', 'name_lookup']);
    const resumed = await resume(there, id, overtaking?.id ?? '');
    expect(kindsOf(await resumed.rest()).sort()).toEqual(['handshake', 'name_lookup']);
  });

  it('goes on after any event at another replica, without a gap or a repetition', async () => {
    const { id, agents } = await traced();
    const [one] = agents as [TracedAgent];
    const first = await watch(here, id);
    for (let batch = 0; batch < 3; batch++) {
      const handshakes = ports(batch * 300, 300).map((localPort) =>
        handshakeRecord({ ...one.record, localPort }),
      );
      await one.store({ handshakes, nameLookups: [nameLookupRecord(one.record)] });
    }
    await here.call('POST', `/trace-sessions/${id}/stop`);
    await first.rest();
    const records = first.received.filter(({ event }) => RECORD_EVENTS.includes(event));
    expect(portsOf(records).sort((left, right) => left - right)).toEqual(ports(0, 900));
    expect(records).toHaveLength(903);
    expect(new Set(records.map((event) => event.id)).size).toBe(903);
    for (const at of [0, 1, 199, 200, 450, 901, 902]) {
      const resumed = await resume(there, id, records[at]?.id ?? '');
      await resumed.rest();
      const rest = resumed.received.filter(({ event }) => RECORD_EVENTS.includes(event));
      expect(rest.map(({ data }) => data.id)).toEqual(records.slice(at + 1).map(({ data }) => data.id));
    }
    const viaQuery = await watch(there, id, { query: `?lastEventId=${records[901]?.id}` });
    expect((await viaQuery.rest()).map(({ event }) => event)).toEqual([
      'session',
      records[902]?.event,
      'end',
    ]);
  });

  it('tells of targets that begin, fail and end', async () => {
    const test = randomUUID().slice(0, 8);
    const { body } = await testFleet(here).session({ selector: `test=${test}` });
    const reader = await watch(there, body.id);
    expect(await reader.next()).toMatchObject({
      event: 'session',
      data: { state: 'pending', targets: { matched: 0 } },
    });
    const agent = await testFleet(here).agent({ test });
    const until = async (state: string, targets: Record<string, number>) => {
      for (;;) {
        const { data } = await reader.nextOf('session');
        if (
          data.state === state &&
          Object.entries(targets).every(([key, count]) => data.targets[key] === count)
        )
          return;
      }
    };
    await until('running', { running: 1 });
    agent.finish(body.id);
    await until('completed', { done: 1 });
    expect(await reader.next()).toMatchObject({ event: 'end', data: { state: 'completed' } });
  });
});

describe('a stream of live results', () => {
  it('is refused for a session that does not exist', async () => {
    const { status, body } = await here.call('GET', `/trace-sessions/${randomUUID()}/events`);
    expect([status, body.code]).toEqual([404, 'not_found']);
  });

  it.each([
    ['garbage', 'is not the id of an event'],
    ['a.b.c.d.e', 'is not the id of an event'],
    ['AAAAAAAA.zz', 'of another session'],
    ['AAAAAAAA.zz.z', 'is not the id of an event'],
    ['AAAAAAAA.zz-zzz', 'is not the id of an event'],
  ])('is refused after %s, with the name of the header and what to do', async (lastEventId, message) => {
    const { id } = await traced([]);
    const header = await here.call('GET', `/trace-sessions/${id}/events`, {
      headers: { 'last-event-id': lastEventId },
    });
    expect([header.status, header.headers.get('content-type')]).toEqual([
      400,
      'application/problem+json; charset=utf-8',
    ]);
    expect(header.body.errors).toEqual([
      { path: 'Last-Event-ID', message: expect.stringContaining(message) },
    ]);
    expect(header.body.errors[0].message).toContain('leave it out');
    const query = await here.call('GET', `/trace-sessions/${id}/events?lastEventId=${lastEventId}`);
    expect(query.body.errors[0].path).toBe('lastEventId');
  });

  it('is refused after an event of another session, and after one that the database cannot have sent', async () => {
    const [one, two] = [await traced([]), await traced([])];
    const reader = await watch(here, one.id);
    const { id: eventId } = await reader.nextOf('session');
    const other = await here.call('GET', `/trace-sessions/${two.id}/events?lastEventId=${eventId}`);
    expect([other.status, other.body.detail]).toEqual([400, expect.stringContaining('another session')]);
    const future = `${eventId.split('.')[0]}.zzzzzzzzzz`;
    const unknown = await here.call('GET', `/trace-sessions/${one.id}/events?lastEventId=${future}`);
    expect([unknown.status, unknown.body.detail]).toEqual([400, expect.stringContaining('has not seen')]);
  });

  it('is refused with parameters that it does not know', async () => {
    const { id } = await traced([]);
    const { status, body } = await here.call('GET', `/trace-sessions/${id}/events?from=later&limit=1`);
    expect([status, body.errors.map((error: { path: string }) => error.path).sort()]).toEqual([
      400,
      ['from', 'limit'],
    ]);
  });

  it('is refused beyond what a replica serves, until one leaves', async () => {
    const { id } = await traced([]);
    const open = await Promise.all(ports(0, 5).map(() => watch(here, id)));
    const refused = await here.call('GET', `/trace-sessions/${id}/events`);
    expect([refused.status, refused.body.code, refused.headers.get('retry-after')]).toEqual([
      429,
      'event_streams_taken',
      '5',
    ]);
    await watch(there, id);
    for (const reader of open) reader.leave();
    await nothingWatched(here);
    expect((await (await watch(here, id)).next())?.event).toBe('session');
  });

  it('has no body for HEAD, and ends with the answer', async () => {
    const { id } = await traced([]);
    const { status, headers, text } = await here.call('HEAD', `/trace-sessions/${id}/events`);
    expect([status, headers.get('content-type'), text]).toEqual([
      200,
      'text/event-stream; charset=utf-8',
      '',
    ]);
    await nothingWatched(here);
  });

  it('costs nothing when its reader has left', async () => {
    const { id } = await traced();
    const reader = await watch(here, id);
    await reader.next();
    expect((await here.call('GET', '/metrics')).text).toContain('synscope_event_streams 1');
    reader.leave();
    await nothingWatched(here);
    expect(here.logLines.filter(({ level }) => level === 'error')).toEqual([]);
  });

  it('breaks off, to be resumed, and says why in the log when it cannot be read', async () => {
    const { id, agents } = await traced();
    const [one] = agents as [TracedAgent];
    const reader = await watch(there, id);
    const failing = vi.spyOn(there.app.get(RecordReader), 'listOldest').mockRejectedValue(new Error('a bug'));
    await one.store({ handshakes: [handshakeRecord({ ...one.record, localPort: 1 })] });
    await expect(reader.rest()).rejects.toThrow('aborted');
    failing.mockRestore();
    expect(there.logLines.filter(({ level }) => level === 'error')).toHaveLength(1);
    await nothingWatched(there);
    expect(portsOf(await take(await resume(there, id, reader.lastEventId), 1))).toEqual([1]);
  });

  it('ends when its token is no longer valid', async () => {
    const { id } = await traced([]);
    const created = await here.call('POST', '/api-tokens', { body: { name: 'watcher', role: 'viewer' } });
    const reader = await EventReader.open(here, `/trace-sessions/${id}/events`, {
      token: created.body.token,
    });
    readers.push(reader);
    await reader.next();
    // Nothing to take is no reason to end a stream.
    for (let look = 0; look < 10; look++) await here.app.get(SessionWatch).checkReaders();
    expect(here.app.get(SessionWatch).size).toBe(1);
    await here.call('DELETE', `/api-tokens/${created.body.id}`);
    await here.app.get(SessionWatch).checkReaders();
    const [last, ...more] = (await reader.rest()).slice(-1);
    expect(last).toMatchObject({ event: 'denied', data: { code: 'unauthenticated' } });
    expect(more).toEqual([]);
    await resume(there, id, last?.id ?? '');
  });

  it('goes on, without a gap or a repetition, after its token has expired in the middle of what there was to read', async () => {
    const { id, agents } = await traced();
    const [one] = agents as [TracedAgent];
    const handshakes = ports(0, 1_000).map((localPort) => handshakeRecord({ ...one.record, localPort }));
    await one.store({ handshakes });
    const created = await here.call('POST', '/api-tokens', { body: { name: 'watcher', role: 'viewer' } });
    const client = new pg.Client({ connectionString: here.databaseUrl });
    await client.connect();
    const reader = await EventReader.open(here, `/trace-sessions/${id}/events`, {
      token: created.body.token,
    });
    readers.push(reader);
    await take(reader, 1);
    await client.query('UPDATE api_token SET expires_at = now() WHERE id = $1', [created.body.id]);
    await client.end();
    await here.app.get(SessionWatch).checkReaders();
    const events = await reader.rest();
    expect(events.at(-1)?.event).toBe('denied');
    const resumed = await resume(there, id, reader.lastEventId);
    await here.call('POST', `/trace-sessions/${id}/stop`);
    const all = [...reader.received, ...(await resumed.rest())];
    expect(portsOf(all).sort((left, right) => left - right)).toEqual(ports(0, 1_000));
  });

  it('ends at once when the replica shuts down, and goes on at another', async () => {
    const replica = await startTestApplication({ DATABASE_URL: here.databaseUrl });
    const { id, agents } = await traced();
    const [one] = agents as [TracedAgent];
    const reader = await watch(replica, id);
    await one.store({ handshakes: [handshakeRecord({ ...one.record, localPort: 1 })] });
    await take(reader, 1);
    const idle = await watch(replica, id);
    await idle.next();
    const startedMs = Date.now();
    await replica.close();
    expect(Date.now() - startedMs).toBeLessThan(5_000);
    expect((await reader.rest()).map(({ event }) => event)).not.toContain('end');
    await one.store({ handshakes: [handshakeRecord({ ...one.record, localPort: 2 })] });
    const resumed = await resume(there, id, reader.lastEventId);
    expect(portsOf(await take(resumed, 1))).toEqual([2]);
  });
});
