import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { IngestService } from '../ingest/ingest.service.js';
import { type NameLookupRecord, nameLookupRecord } from '../testing/name-lookup-record.js';
import { recordBatchBytes } from '../testing/record-batch.js';
import { startTestApplication, type TestApplication } from '../testing/test-application.js';

const agentId = '0198c0de-0000-7000-8000-000000000001';
const bootId = '0198c0de-0000-7000-8000-0000000000bb';
const startUs = (Date.now() - 20 * 60_000) * 1_000;

const records: Partial<NameLookupRecord>[] = [
  { name: 'www.example.com', latencyUs: 10_016_000, resultCode: -3, processName: 'curl', family: 10 },
  { name: 'www.example.com', latencyUs: 1_500, processName: 'nginx', family: 2 },
  { name: 'badexample.com', latencyUs: 900, resultCode: -2 },
  { name: String.raw`b\195\188cher.example`, latencyUs: 20_000, family: 99 },
  { name: 'xn--bcher-kva.example', latencyUs: 20_000, resultCode: -42, flags: 1 },
];
const [slow, fast, bad, raw, encoded] = records.keys();

let application: TestApplication;
const read = async (query: string) => (await application.call('GET', `/name-lookups?${query}`)).body;
/** Which of the records, by their times. */
const found = async (query: string): Promise<number[]> =>
  (await read(query)).items.map(({ observedAt }: { observedAt: string }) =>
    Math.round((Date.parse(observedAt) * 1_000 - startUs) / 1_000_000),
  );

beforeAll(async () => {
  application = await startTestApplication();
  const nameLookups = records.map((record, index) =>
    nameLookupRecord({ observedAtUs: startUs + index * 1_000_000, ...record }),
  );
  const bytes = recordBatchBytes(1, { nameLookups });
  await application.app.get(IngestService).submit({ agentId, bootId, bytes });
});
afterAll(() => application.close());

describe('GET /name-lookups', () => {
  it('answers every field of a record', async () => {
    const { items } = await read('result=EAI_AGAIN');
    expect(items).toEqual([
      {
        id: expect.stringMatching(/^[0-9a-f-]{14}7/),
        observedAt: new Date(startUs / 1_000).toISOString().replace('Z', '000Z'),
        calledAt: new Date(startUs / 1_000 - 10_016).toISOString().replace('Z', '000Z'),
        agentId,
        hostname: null,
        sessionIds: [expect.any(String)],
        process: { pid: 4_711, name: 'curl', cgroupId: 77, containerId: null },
        name: 'www.example.com',
        nameCut: false,
        family: 'ipv6',
        result: 'EAI_AGAIN',
        resultCode: -3,
        latencyUs: 10_016_000,
        netns: 4_026_531_840,
      },
    ]);
    const { items: odd } = await read('result=-42');
    expect(odd[0]).toMatchObject({ result: '-42', resultCode: -42, nameCut: true, family: 'any' });
    expect((await application.call('GET', `/name-lookups/${odd[0].id}`)).body).toEqual(odd[0]);
    const { status } = await application.call('GET', '/name-lookups/0198c0de-0000-7000-8000-0000000000aa');
    expect(status).toBe(404);
  });

  it.each([
    ['', [encoded, raw, bad, fast, slow]],
    ['order=-latencyUs', [slow, encoded, raw, fast, bad]],
    ['minLatencyMs=20', [encoded, raw, slow]],
    ['result=success', [raw, fast]],
    ['result=EAI_NONAME,EAI_AGAIN', [bad, slow]],
    ['name=WWW.example.com.', [fast, slow]],
    ['nameSuffix=example.com', [fast, slow]],
    [`name=${encodeURIComponent('Bücher.example')}`, [encoded, raw]],
    [`name=${encodeURIComponent(String.raw`b\195\188cher.example`)}`, [raw]],
    ['nameSuffix=example', [encoded, raw]],
    ['processName=nginx', [fast]],
  ])('lists by %s', async (query, expected) => {
    expect(await found(query)).toEqual(expected);
  });

  it.each([
    ['result=EAI_SLOW', 'result.0'],
    ['name=', 'name.0'],
    ['queryName=www.example.com', 'queryName'],
    ['since=1m&until=2m', 'until'],
  ])('refuses %s and names the parameter', async (query, path) => {
    const { status, body } = await application.call('GET', `/name-lookups?${query}`);
    expect([status, body.errors[0].path]).toEqual([400, path]);
  });
});

describe('GET /name-lookups/summary', () => {
  it('tells which names applications wait for', async () => {
    const { body } = await application.call(
      'GET',
      '/name-lookups/summary?groupBy=name,result,processName&order=-p99&limit=1',
    );
    expect(body).toMatchObject({
      items: [
        {
          group: { name: 'www.example.com', result: 'EAI_AGAIN', processName: 'curl' },
          count: 1,
          failed: 1,
          latencyUs: { p99: 10_016_000 },
        },
      ],
      truncated: true,
    });
    const all = await application.call('GET', '/name-lookups/summary');
    expect(all.body.items).toMatchObject([{ group: {}, count: 5, failed: 3 }]);
  });
});
