import { DnsOutcome } from '@synscope/protocol';
import { DataSource } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { IngestService } from '../ingest/ingest.service.js';
import { dnsQueryRecord } from '../testing/dns-query-record.js';
import { type HandshakeRecord, handshakeRecord } from '../testing/handshake-batch.js';
import { type BatchContents, recordBatchBytes } from '../testing/record-batch.js';
import { ipv4 } from '../testing/record-columns.js';
import { startTestApplication, type TestApplication } from '../testing/test-application.js';
import { ThresholdEvaluator } from './threshold-evaluator.js';

const agentId = '0198c0de-0000-7000-8000-000000000001';
const bootId = '0198c0de-0000-7000-8000-0000000000bb';
let here: TestApplication;
let there: TestApplication;
beforeAll(async () => {
  // Evaluations happen when the test asks for them, and at no other time.
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  here = await startTestApplication();
  there = await startTestApplication({ DATABASE_URL: here.databaseUrl });
});
afterAll(async () => {
  vi.useRealTimers();
  await there.close();
  await here.close();
});

const database = () => here.app.get(DataSource);
let batches = 0;
const MINUTE_US = 60_000_000;

/** So many records in each of the minutes that an evaluation during this test can look at. */
function inEachMinute<T>(count: number, record: (observedAtUs: number) => T): T[] {
  const thisMinuteUs = Math.floor((Date.now() * 1_000) / MINUTE_US) * MINUTE_US;
  return [-2, -1, 0, 1].flatMap((minute) =>
    Array.from({ length: count }, (_, index) => record(thisMinuteUs + minute * MINUTE_US + index * 1_000)),
  );
}

const send = (contents: BatchContents) =>
  here.app.get(IngestService).submit({ agentId, bootId, bytes: recordBatchBytes(++batches, contents) });

const handshakes = (count: number, record: Partial<HandshakeRecord>) =>
  send({
    handshakes: inEachMinute(count, (observedAtUs) => handshakeRecord({ ...record, observedAtUs })),
  });

let names = 0;
async function create(body: object): Promise<string> {
  const created = await here.call('POST', '/thresholds', {
    body: { name: `threshold ${names++}`, metric: 'handshake_latency', ...body },
  });
  expect(created.body).toHaveProperty('id');
  return created.body.id;
}
const get = async (id: string) => (await there.call('GET', `/thresholds/${id}`)).body;

/** The evaluation of one more minute, by both replicas at once; as if a minute had gone by since the one before. */
async function evaluate(id: string): Promise<void> {
  // Not where the minute that is looked at becomes another one: that would be a gap.
  await database().query(
    `SELECT pg_sleep(20 - s) FROM (SELECT extract(second FROM clock_timestamp()) AS s) AS now WHERE s BETWEEN 14 AND 20`,
  );
  await database().query(
    `UPDATE threshold SET next_evaluation_at = now(),
            last_minute = date_trunc('minute', now() - interval '20 seconds') - interval '2 minutes' WHERE id = $1 AND last_minute IS NOT NULL`,
    [id],
  );
  await Promise.all([here, there].map(({ app }) => app.get(ThresholdEvaluator).evaluateDue()));
}
const eventsOf = async (id: string): Promise<{ data: Record<string, unknown> }[]> =>
  (
    await database().query(`SELECT data FROM webhook_event WHERE type = 'threshold.exceeded' ORDER BY id`)
  ).filter(({ data }: { data: { id: string } }) => data.id === id);

describe('a threshold', () => {
  it('is exceeded once after so many minutes above, over when it is below, and exceeded again', async () => {
    const remotePort = 5_432;
    await handshakes(10, { remotePort, latencyUs: 80_000 });
    const id = await create({ filter: { remotePort }, percentile: 'p50', aboveMs: 50.5, forMinutes: 2 });
    await evaluate(id);
    expect(await get(id)).toMatchObject({
      state: 'ok',
      minutesAbove: 1,
      lastValue: 80,
      lastCount: 10,
      lastError: null,
      percentile: 'p50',
      aboveRatio: null,
    });
    expect(await eventsOf(id)).toEqual([]);
    await evaluate(id);
    await evaluate(id);
    expect(await get(id)).toMatchObject({ state: 'exceeded', minutesAbove: 3 });
    expect(await eventsOf(id)).toMatchObject([
      {
        data: {
          filter: { remotePort },
          percentile: 'p50',
          aboveMs: 50.5,
          lastValue: 80,
          lastCount: 10,
          minutesAbove: 2,
        },
      },
    ]);
    expect((await here.call('GET', '/thresholds?state=exceeded')).body.items).toMatchObject([{ id }]);
    // Enough fast ones to bring the median down.
    await handshakes(11, { remotePort, latencyUs: 900 });
    await evaluate(id);
    expect(await get(id)).toMatchObject({ state: 'ok', minutesAbove: 0, lastValue: 0.9, lastCount: 21 });
    await handshakes(40, { remotePort, latencyUs: 51_000 });
    await evaluate(id);
    await evaluate(id);
    expect(await get(id)).toMatchObject({ state: 'exceeded' });
    expect(await eventsOf(id)).toHaveLength(2);
  });

  it('measures what its filter lets through, and says nothing of a minute with few records', async () => {
    await handshakes(3, { remotePort: 81, latencyUs: 80_000, processName: 'nginx' });
    const few = await create({ filter: { remotePort: 81 }, aboveMs: 1, forMinutes: 1, minCount: 4 });
    const other = await create({
      filter: { remotePort: 81, processName: 'curl' },
      aboveMs: 1,
      forMinutes: 1,
      minCount: 1,
    });
    const nobody = await create({
      filter: { selector: 'role=none' },
      aboveMs: 1,
      forMinutes: 1,
      minCount: 1,
    });
    const all = await create({
      filter: { remotePort: 81, processName: 'nginx' },
      aboveMs: 1,
      forMinutes: 1,
      minCount: 3,
    });
    await evaluate(all);
    expect(await get(few)).toMatchObject({ state: 'ok', lastValue: null, lastCount: 3 });
    expect(await get(other)).toMatchObject({ state: 'ok', lastValue: null, lastCount: 0 });
    expect(await get(nobody)).toMatchObject({ state: 'ok', lastValue: null, lastCount: 0, lastError: null });
    expect(await get(all)).toMatchObject({ state: 'exceeded', lastValue: 80 });
    // Changed, it begins anew.
    const changed = await here.call('PATCH', `/thresholds/${all}`, { body: { aboveMs: 90 } });
    expect(changed.body).toMatchObject({ state: 'ok', lastMinute: null, aboveMs: 90 });
    await evaluate(all);
    expect(await get(all)).toMatchObject({ state: 'ok', lastValue: 80 });
  });

  it('knows ratios of failures too', async () => {
    await handshakes(8, { remotePort: 82, latencyUs: 1_000 });
    await handshakes(2, { remotePort: 82, latencyUs: 1_000, outcome: 2 });
    const metric = 'handshake_failure_ratio';
    const above = await create({ metric, filter: { remotePort: 82 }, aboveRatio: 0.19, forMinutes: 1 });
    const equal = await create({ metric, filter: { remotePort: 82 }, aboveRatio: 0.2, forMinutes: 1 });
    const dns = await create({
      metric: 'dns_latency',
      filter: { queryNameSuffix: 'Example.COM.' },
      aboveMs: 1,
    });
    await evaluate(above);
    expect(await get(above)).toMatchObject({ state: 'exceeded', lastValue: 0.2, percentile: null });
    expect(await get(equal)).toMatchObject({ state: 'ok', lastValue: 0.2 });
    expect(await get(dns)).toMatchObject({
      state: 'ok',
      lastCount: 0,
      filter: { queryNameSuffix: 'example.com' },
    });
  });

  it('of how long DNS takes is exceeded by a resolver that answers nothing', async () => {
    const serverAddress = '192.0.2.53';
    const unanswered = { outcome: DnsOutcome.UNANSWERED, responseCode: null, answerCount: null };
    await send({
      dnsQueries: inEachMinute(10, (observedAtUs) =>
        dnsQueryRecord({
          ...unanswered,
          observedAtUs,
          serverAddress: ipv4(serverAddress),
          elapsedUs: 30_000_000,
        }),
      ),
    });
    const silent = await create({
      metric: 'dns_latency',
      filter: { serverAddress },
      aboveMs: 60_000,
      forMinutes: 1,
    });
    await evaluate(silent);
    expect(await get(silent)).toMatchObject({ state: 'exceeded', lastValue: null, lastCount: 10 });
    expect(await eventsOf(silent)).toMatchObject([{ data: { lastValue: null, lastCount: 10 } }]);
  });

  it.each<[string, object, string, RegExp]>([
    ['no limit', {}, 'aboveMs', /is needed with handshake_latency/],
    ['the limit of a ratio', { aboveMs: 1, aboveRatio: 0.5 }, 'aboveRatio', /does not go with/],
    ['a negative limit', { aboveMs: -1 }, 'aboveMs', /./],
    [
      'a filter of DNS',
      { aboveMs: 1, filter: { queryName: 'a.b' } },
      'filter.queryName',
      /does not act on handshake_latency/,
    ],
    ['an unknown filter', { aboveMs: 1, filter: { port: 1 } }, 'filter.port', /unknown field/],
    [
      'a selector that cannot be read',
      { aboveMs: 1, filter: { selector: 'a in (' } },
      'filter.selector',
      /./,
    ],
    ['an unknown metric', { metric: 'rtt', aboveMs: 1 }, 'metric', /expected one of/],
    ['an unknown percentile', { aboveMs: 1, percentile: 'p95' }, 'percentile', /expected one of p50/],
    ['no minutes', { aboveMs: 1, forMinutes: 0 }, 'forMinutes', /./],
    ['no records', { aboveMs: 1, minCount: 0 }, 'minCount', /./],
  ])('is refused with %s', async (_what, body, path, message) => {
    const refused = await here.call('POST', '/thresholds', {
      body: { name: 'wrong', metric: 'handshake_latency', ...body },
    });
    expect(refused.body).toMatchObject({
      status: 400,
      errors: [{ path, message: expect.stringMatching(message) }],
    });
  });

  it('has a name of its own, and is not changed to what does not fit its metric', async () => {
    const id = await create({ name: 'taken', aboveMs: 1 });
    const again = await here.call('POST', '/thresholds', {
      body: { name: 'taken', metric: 'dns_latency', aboveMs: 1 },
    });
    expect(again.body).toMatchObject({ status: 409, code: 'threshold_name_taken' });
    const wrong = await here.call('PATCH', `/thresholds/${id}`, { body: { aboveRatio: 0.5 } });
    expect(wrong.body.errors).toMatchObject([{ path: 'aboveRatio' }]);
    expect((await here.call('DELETE', `/thresholds/${id}`)).status).toBe(204);
    expect((await here.call('GET', `/thresholds/${id}`)).status).toBe(404);
  });
});
