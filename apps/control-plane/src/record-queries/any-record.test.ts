import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { IngestService } from '../ingest/ingest.service.js';
import { dnsQueryRecordArbitrary } from '../testing/dns-query-record.js';
import { listenerRecordArbitrary } from '../testing/listener-record.js';
import { nameLookupRecordArbitrary } from '../testing/name-lookup-record.js';
import { receiveQueueDropRecordArbitrary } from '../testing/receive-queue-drop-record.js';
import { recordBatchBytes } from '../testing/record-batch.js';
import { startTestApplication, type TestApplication } from '../testing/test-application.js';

const agentId = '0198c0de-0000-7000-8000-000000000001';
const bootId = '0198c0de-0000-7000-8000-0000000000bb';

let application: TestApplication;
beforeAll(async () => {
  application = await startTestApplication();
});
afterAll(() => application.close());

/** All items of a list; each answer is checked against its schema on the way. */
async function readAll(path: string): Promise<Record<string, unknown>[]> {
  const { status, text } = await application.call('GET', path, {
    headers: { accept: 'application/x-ndjson' },
  });
  expect(status).toBe(200);
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
}

it('answers whatever ingest takes, in every order and in summaries', async () => {
  const until = Date.now() * 1_000;
  const since = until - 30 * 60_000_000;
  const some = <T>(record: fc.Arbitrary<T>) => fc.array(record, { minLength: 20, maxLength: 100 });
  let seq = 0;
  const expected = {
    queries: [] as string[],
    lookups: [] as string[],
    drops: [] as string[],
    sockets: [] as string[],
  };
  await fc.assert(
    fc.asyncProperty(
      some(dnsQueryRecordArbitrary(since, until)),
      some(nameLookupRecordArbitrary(since, until)),
      some(receiveQueueDropRecordArbitrary(since, until)),
      some(listenerRecordArbitrary(since, until)),
      async (dnsQueries, nameLookups, receiveQueueDrops, listeners) => {
        const bytes = recordBatchBytes(++seq, { dnsQueries, nameLookups, receiveQueueDrops, listeners });
        await application.app.get(IngestService).submit({ agentId, bootId, bytes });
        expected.queries.push(...dnsQueries.map(({ queryName }) => queryName));
        expected.lookups.push(...nameLookups.map(({ name }) => name));
        expected.drops.push(...receiveQueueDrops.map(({ drops }) => String(drops)));
        expected.sockets.push(...listeners.map(({ socketCookie }) => socketCookie.toString(16)));
        for (const order of ['-observedAt', '-latencyUs']) {
          const queries = await readAll(`/dns-queries?order=${order}`);
          expect(queries.map(({ queryName }) => queryName).sort()).toEqual(expected.queries.toSorted());
          const lookups = await readAll(`/name-lookups?order=${order}`);
          expect(lookups.map(({ name }) => name).sort()).toEqual(expected.lookups.toSorted());
        }
        const drops = await readAll('/receive-queue-drops');
        expect(drops.map((drop) => String(drop['drops'])).sort()).toEqual(expected.drops.toSorted());
        const samples = await readAll('/listener-samples');
        const cookies = samples.map((sample) => String(sample['socketCookie']));
        expect(cookies.toSorted()).toEqual(expected.sockets.toSorted());
        const sockets = await readAll('/listeners?order=-refused');
        expect(new Set(sockets.map((socket) => socket['socketCookie']))).toEqual(new Set(cookies));
      },
    ),
    { numRuns: 5, endOnFailure: true },
  );
  for (const path of [
    '/dns-queries/summary?groupBy=queryNameSuffix,queryType,responseCode',
    '/name-lookups/summary?groupBy=name,result',
  ]) {
    const { status, body } = await application.call('GET', `${path}&limit=1000&order=-p99`);
    expect(status).toBe(200);
    expect(body.truncated).toBe(false);
  }
});
