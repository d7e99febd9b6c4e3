import type { FakeAgent } from '@synscope/testing';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { RecordReader } from '../record-queries/record-reader.js';
import { EventReader } from '../testing/event-reader.js';
import { eventually } from '../testing/eventually.js';
import { testFleet } from '../testing/fleet.js';
import { handshakeRecord } from '../testing/handshake-batch.js';
import { recordBatch } from '../testing/record-batch.js';
import { startTestApplication, type TestApplication } from '../testing/test-application.js';
import { SessionWatch } from './session-watch.js';

/** About 600 bytes each as events: far more than what sockets buffer. */
const RECORDS = 60_000;
const BATCH = 2_000;
const BACKLOG = 10_000;

let control: TestApplication;
let agent: FakeAgent;
beforeAll(async () => {
  control = await startTestApplication({ SYNSCOPE_EVENT_BACKLOG: String(BACKLOG) });
  agent = await testFleet(control).agent();
});
afterAll(async () => {
  await agent.disconnect();
  await control.close();
});

it('keeps neither ingest waiting nor memory, and is told exactly how many records it missed', async () => {
  const { id } = (await testFleet(control).session({}, '?wait=10s')).body;
  const read = vi.spyOn(control.app.get(RecordReader), 'listOldest');
  const reader = await EventReader.open(control, `/trace-sessions/${id}/events`);
  for (let batch = 0; batch < RECORDS / BATCH; batch++) {
    const handshakes = Array.from({ length: BATCH }, (_, row) =>
      handshakeRecord({ sessionIds: [id], pid: batch * BATCH + row + 1 }),
    );
    agent.batch(recordBatch(batch + 1, { handshakes }));
    await agent.acks.next();
  }
  // All of it is stored, and this reader has taken nothing yet.
  const readAhead = (await Promise.all(read.mock.results.map(({ value }) => value))).flat().length;
  expect(readAhead).toBeLessThan(RECORDS / 2);

  await control.call('POST', `/trace-sessions/${id}/stop`);
  const events = await reader.rest();
  const pids = events.filter(({ event }) => event === 'handshake').map(({ data }) => data.process.pid);
  const missed = events.filter(({ event }) => event === 'missed').map(({ data }) => data);
  expect(missed.length).toBeGreaterThan(0);
  expect(missed[0]).toMatchObject({ reason: 'too_far_behind' });
  expect(missed.reduce((sum, { records }) => sum + records, pids.length)).toBe(RECORDS);
  expect(new Set(pids).size).toBe(pids.length);
  expect(pids.at(-1)).toBe(RECORDS);
  expect(events.at(-1)?.event).toBe('end');
  read.mockRestore();
});

it('has the newest records, and the number of the others, where a stream begins with more than may wait', async () => {
  const { items } = (await control.call('GET', '/trace-sessions')).body;
  const reader = await EventReader.open(control, `/trace-sessions/${items[0].id}/events`);
  const events = await reader.rest();
  const shown = events.filter(({ event }) => event === 'handshake');
  expect(events.map(({ event }) => event).slice(0, 3)).toEqual(['session', 'missed', 'handshake']);
  expect(shown).toHaveLength(BATCH);
  expect(events[1]?.data.records).toBe(RECORDS - shown.length);
  const { since, until } = events[1]?.data ?? {};
  const query = `sessionId=${items[0].id}&since=${since}&until=${new Date(Date.parse(until) + 1).toISOString()}&limit=1`;
  expect((await control.call('GET', `/handshakes?${query}`)).body.items).toHaveLength(1);
});

it('is given up when its reader takes nothing any more', async () => {
  const patient = await startTestApplication({ DATABASE_URL: control.databaseUrl });
  const { items } = (await patient.call('GET', '/trace-sessions')).body;
  const reader = await EventReader.open(patient, `/trace-sessions/${items[0].id}/events`);
  await reader.next();
  const watch = patient.app.get(SessionWatch);
  const readersLeft = async () => {
    await watch.checkReaders();
    return watch.size;
  };
  await eventually(readersLeft, (left) => left === 0);
  await expect(reader.rest()).rejects.toThrow('aborted');
  await patient.close();
});
