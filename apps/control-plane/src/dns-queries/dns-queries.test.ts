import { DnsOutcome, DnsSide, DnsTransport, LossCause, Probe } from '@synscope/protocol';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DatabasePool } from '../database/database-pool.js';
import { IngestService } from '../ingest/ingest.service.js';
import { type DnsQueryRecord, dnsQueryRecord } from '../testing/dns-query-record.js';
import { recordBatchBytes } from '../testing/record-batch.js';
import { ipv4, TEST_SESSION_ID } from '../testing/record-columns.js';
import { startTestApplication, type TestApplication } from '../testing/test-application.js';

const web = '0198c0de-0000-7000-8000-000000000001';
const resolver = '0198c0de-0000-7000-8000-000000000002';
const bootId = '0198c0de-0000-7000-8000-0000000000bb';
const otherSession = '0198c0de-0000-7000-8000-0000000000cc';
const startUs = (Date.now() - 20 * 60_000) * 1_000;
const at = (seconds: number) => startUs + Math.round(seconds * 1_000_000);
const ipv6 = Uint8Array.from(Buffer.from('20010db8000000000000000000000035', 'hex'));

const records: { readonly agent: string; readonly record: Partial<DnsQueryRecord> }[] = [
  {
    agent: web,
    record: { queryName: 'www.example.com', elapsedUs: 51_234, processName: 'nginx', lookupId: 0xa41f7 },
  },
  {
    agent: web,
    record: { queryName: 'badexample.com', elapsedUs: 900, queryType: 28, responseCode: 3, answerCount: 0 },
  },
  {
    agent: web,
    record: {
      queryName: 'example.com',
      elapsedUs: 6_000_000,
      outcome: DnsOutcome.LATE,
      flags: 8,
      attempt: 2,
      lookupId: 0xa41f7,
      serverAddress: ipv6,
      clientAddress: ipv6,
    },
  },
  {
    agent: web,
    record: {
      queryName: 'never.example.com',
      elapsedUs: 30_000_000,
      outcome: DnsOutcome.UNANSWERED,
      responseCode: null,
      answerCount: null,
      sessionIds: [TEST_SESSION_ID, otherSession],
    },
  },
  {
    agent: web,
    record: {
      queryName: String.raw`=cmd\.example.com`,
      elapsedUs: 700,
      queryType: 65_280,
      queryClass: 255,
      responseCode: 2,
      answerCount: 0,
      transport: DnsTransport.TCP,
      flags: 1 + 2 + 16,
    },
  },
  {
    agent: web,
    record: {
      queryName: String.raw`\027[31m,x\\.example.com`,
      elapsedUs: 19_999,
      outcome: DnsOutcome.LATE,
      flags: 4 + 8,
      responseCode: 3_000,
    },
  },
  {
    agent: resolver,
    record: {
      queryName: '.',
      elapsedUs: 20_000,
      side: DnsSide.RESOLVER,
      queryType: 2,
      lookupId: null,
      attempt: null,
      pid: null,
      processName: null,
      cgroupId: null,
      netns: null,
      serverAddress: ipv4('198.51.100.53'),
      containerId: 'c0ffee',
    },
  },
];

let application: TestApplication;
const read = async (query: string) => (await application.call('GET', `/dns-queries?${query}`)).body;
const names = async (query: string): Promise<string[]> =>
  (await read(query)).items.map(({ queryName }: { queryName: string }) => queryName);

const [www, bad, example, never, formula, escaped, root] = records.map(
  ({ record }) => record.queryName ?? '',
);

beforeAll(async () => {
  application = await startTestApplication();
  await application.app
    .get(DatabasePool)
    .query(`INSERT INTO agent (id, hostname, public_key_hash) VALUES ($1, 'web-1', ''), ($2, 'dns-1', '')`, [
      web,
      resolver,
    ]);
  const ingest = application.app.get(IngestService);
  const lost = { cause: LossCause.RING_FULL, fromUs: at(0), untilUs: at(10) };
  for (const agentId of [web, resolver]) {
    const dnsQueries = records.flatMap(({ agent, record }, index) =>
      agent === agentId ? [dnsQueryRecord({ observedAtUs: at(index), ...record })] : [],
    );
    const loss =
      agentId === web
        ? [
            { ...lost, records: 5, probe: Probe.DNS },
            { ...lost, records: 7, probe: Probe.TCP_HANDSHAKE },
          ]
        : [];
    await ingest.submit({ agentId, bootId, bytes: recordBatchBytes(1, { dnsQueries, loss }) });
  }
});
afterAll(() => application.close());

describe('GET /dns-queries', () => {
  it('answers every field of a record, and null for what is not known', async () => {
    const { items } = await read('queryName=www.example.com');
    expect(items).toEqual([
      {
        id: expect.stringMatching(/^[0-9a-f-]{14}7/),
        observedAt: new Date(startUs / 1_000).toISOString().replace('Z', '000Z'),
        queriedAt: new Date(startUs / 1_000 - 52).toISOString().replace('Z', '766Z'),
        agentId: web,
        hostname: 'web-1',
        sessionIds: [TEST_SESSION_ID],
        side: 'client',
        transport: 'udp',
        client: { address: '10.0.0.1', port: 40_000 },
        server: { address: '192.0.2.53', port: 53 },
        process: { pid: 4_711, name: 'nginx', cgroupId: 77, containerId: null },
        queryName: 'www.example.com',
        queryType: 'A',
        queryClass: 'IN',
        messageId: 4_660,
        outcome: 'answered',
        lateReason: null,
        responseCode: 'NOERROR',
        latencyUs: 51_234,
        attempt: 1,
        lookupId: '00000000a41f7',
        answerCount: 2,
        truncated: false,
        netns: 4_026_531_840,
        flags: [],
      },
    ]);
    expect((await read('outcome=unanswered')).items[0]).toMatchObject({
      outcome: 'unanswered',
      latencyUs: null,
      responseCode: null,
      answerCount: null,
    });
    expect((await read('side=resolver')).items[0]).toMatchObject({
      queryName: '.',
      lookupId: null,
      attempt: null,
      netns: null,
      process: { pid: null, name: null, cgroupId: null, containerId: 'c0ffee' },
    });
    expect((await read('transport=tcp')).items[0]).toMatchObject({
      queryType: 'TYPE65280',
      queryClass: 'ANY',
      truncated: true,
      flags: ['several_questions', 'answer_without_question'],
    });
  });

  it('says why an answer was late, a closed socket before a retry', async () => {
    const { items } = await read('outcome=late');
    expect(items.map(({ lateReason }: { lateReason: string }) => lateReason)).toEqual([
      'socket_closed',
      'asked_again',
    ]);
    expect(items[0]).toMatchObject({ latencyUs: 19_999, responseCode: 'RCODE3000' });
  });

  it('orders by time, newest first, and by latency, what was never answered first', async () => {
    expect(await names('')).toEqual([root, escaped, formula, never, example, bad, www]);
    expect(await names('order=-latencyUs')).toEqual([never, example, www, root, escaped, bad, formula]);
  });

  it.each([
    ['minLatencyMs=20', [root, never, example, www]],
    ['minLatencyMs=19.999', [root, escaped, never, example, www]],
    ['outcome=late,unanswered', [escaped, never, example]],
    ['outcome=answered', [root, formula, bad, www]],
    ['queryName=WWW.Example.COM.', [www]],
    ['queryName=www.example.com,badexample.com', [bad, www]],
    ['queryName=.', [root]],
    [`queryName=${encodeURIComponent(String.raw`\027[31m\044x\\.EXAMPLE.com`)}`, [escaped]],
    [`queryName=${encodeURIComponent('bücher.example')}`, []],
    ['queryNameSuffix=example.com', [escaped, never, example, www]],
    ['queryNameSuffix=Example.com.', [escaped, never, example, www]],
    ['queryNameSuffix=com', [escaped, formula, never, example, bad, www]],
    ['queryNameSuffix=ample.com', []],
    ['queryNameSuffix=.', [root, escaped, formula, never, example, bad, www]],
    ['queryNameSuffix=www.example.com,badexample.com', [bad, www]],
    ['queryNameSuffix=example.com&minLatencyMs=20', [never, example, www]],
    [`queryNameSuffix=${encodeURIComponent(String.raw`=cmd\.example.com`)}`, [formula]],
    ['queryType=AAAA', [bad]],
    ['queryType=type2,TYPE65280', [root, formula]],
    ['responseCode=nxdomain', [bad]],
    ['responseCode=RCODE2,RCODE3000', [escaped, formula]],
    ['serverAddress=198.51.100.53', [root]],
    ['serverAddress=2001:db8::/32', [example]],
    ['clientAddress=2001:db8::35', [example]],
    ['side=resolver', [root]],
    ['transport=tcp', [formula]],
    [`agentId=${resolver}`, [root]],
    ['hostname=dns-1', [root]],
    [`sessionId=${otherSession}`, [never]],
    ['processName=nginx', [www]],
    ['lookupId=00000000A41F7', [example, www]],
    ['since=1m', []],
    [
      `since=${new Date(at(1) / 1_000).toISOString()}&until=${new Date(at(3) / 1_000).toISOString()}`,
      [example, bad],
    ],
  ])('filters by %s', async (query, expected) => {
    expect(await names(query)).toEqual(expected);
    expect((await names(`${query}&order=-latencyUs`)).toSorted()).toEqual(expected.toSorted());
  });

  it('gives the same items in pages of any length as at once, in both orders', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 8 }),
        fc.constantFrom('order=-observedAt', 'order=-latencyUs'),
        fc.constantFrom('', '&minLatencyMs=20', '&outcome=late,unanswered'),
        async (limit, order, filter) => {
          const paged: string[] = [];
          let cursor = '';
          do {
            const page = await read(`${order}${filter}&limit=${limit}${cursor}`);
            paged.push(...page.items.map(({ queryName }: { queryName: string }) => queryName));
            cursor = page.nextCursor === null ? '' : `&cursor=${page.nextCursor}`;
          } while (cursor);
          expect(paged).toEqual(await names(`${order}${filter}`));
        },
      ),
      { numRuns: 25 },
    );
  });

  it('carries the loss of DNS queries only', async () => {
    const { loss } = await read('');
    expect(loss).toMatchObject({ records: 5, intervals: [{ cause: 'ring_full', probe: 'dns', records: 5 }] });
    expect((await read('hostname=dns-1')).loss.records).toBe(0);
  });

  it('streams CSV in which no name is a formula or a control character', async () => {
    const { text } = await application.call('GET', '/dns-queries', { headers: { accept: 'text/csv' } });
    expect(text).toContain(String.raw`,'=cmd\.example.com,`);
    expect(text).toContain(String.raw`,"\027[31m,x\\.example.com",`);
    expect(text.replaceAll('\r\n', '')).toMatch(/^[ -~]*$/);
    expect(text.split('\r\n')[0]).toContain('client.address,client.port,server.address,server.port');
    const ndjson = await application.call('GET', '/dns-queries', {
      headers: { accept: 'application/x-ndjson' },
    });
    expect(ndjson.text.trim().split('\n')).toHaveLength(records.length);
  });

  it.each([
    ['limit=0', 'limit', /1 to 1000/],
    ['outcome=slow', 'outcome.0', /answered, late, unanswered/],
    ['queryName=', 'queryName.0', /expected a name/],
    ['queryName=a..b', 'queryName.0', /empty label/],
    ['queryName=a%5C', 'queryName.0', /backslash/],
    ['queryName=a%5C256', 'queryName.0', /255/],
    [`queryName=${'a'.repeat(1_005)}`, 'queryName.0', /at most 1004/],
    ['queryName=a.example,A.example.', 'queryName', /given twice/],
    [`queryNameSuffix=${Array.from({ length: 65 }, (_, n) => n).join()}`, 'queryNameSuffix', /64/],
    ['queryType=ADDRESS', 'queryType.0', /AAAA, or TYPE65/],
    ['responseCode=4096', 'responseCode.0', /SERVFAIL, or RCODE2/],
    ['serverAddress=resolver.example', 'serverAddress', /address/],
    ['lookupId=12', 'lookupId', /13 hexadecimal/],
    ['since=1m&until=2m', 'until', /later than since/],
    ['order=latency', 'order', /-observedAt or -latencyUs/],
    ['server=192.0.2.1', 'server', /unknown parameter; known: .*serverAddress/],
    ['cursor=nonsense', 'cursor', /not a cursor/],
  ])('refuses a query that is wrong and names the parameter (%#)', async (query, path, message) => {
    const { status, body } = await application.call('GET', `/dns-queries?${query}`);
    expect(status).toBe(400);
    expect(body.errors[0]).toEqual({ path, message: expect.stringMatching(message) });
  });

  it('refuses 10,000 suffixes with what to do about it', async () => {
    const suffixes = Array.from({ length: 10_000 }, (_, index) => `n${index}.example`).join();
    const { status, body } = await application.call('GET', `/dns-queries?queryNameSuffix=${suffixes}`);
    expect(status).toBe(431);
    expect(body).toMatchObject({
      code: 'headers_too_large',
      detail: expect.stringContaining('fewer values'),
    });
  });
});

describe('GET /dns-queries/{id}', () => {
  it('finds a record by its id, and answers 404 for ids that no query has', async () => {
    const { items } = await read('');
    for (const item of items)
      expect((await application.call('GET', `/dns-queries/${item.id}`)).body).toEqual(item);
    const { status, body } = await application.call(
      'GET',
      '/dns-queries/0198c0de-0000-7000-8000-0000000000aa',
    );
    expect([status, body.detail]).toEqual([
      404,
      expect.stringContaining('There is no DNS query with the id'),
    ]);
  });
});

describe('GET /dns-queries/summary', () => {
  const summary = async (query: string) =>
    (await application.call('GET', `/dns-queries/summary?${query}`)).body;

  it('tells which names are slow on which server, what was never answered before all', async () => {
    const { items, truncated, loss } = await summary('groupBy=queryName,serverAddress&order=-p99');
    expect(items.map(({ group }: { group: { queryName: string } }) => group.queryName)).toEqual([
      never,
      example,
      www,
      root,
      escaped,
      bad,
      formula,
    ]);
    expect(items.slice(0, 3)).toEqual([
      {
        group: { queryName: never, serverAddress: '192.0.2.53' },
        count: 1,
        failed: 1,
        unanswered: 1,
        late: 0,
        latencyUs: { p50: null, p90: null, p99: null, max: null, mean: null },
      },
      {
        group: { queryName: example, serverAddress: '2001:db8::35' },
        count: 1,
        failed: 1,
        unanswered: 0,
        late: 1,
        latencyUs: { p50: 6_000_000, p90: 6_000_000, p99: 6_000_000, max: 6_000_000, mean: 6_000_000 },
      },
      {
        group: { queryName: www, serverAddress: '192.0.2.53' },
        count: 1,
        failed: 0,
        unanswered: 0,
        late: 0,
        latencyUs: { p50: 51_234, p90: 51_234, p99: 51_234, max: 51_234, mean: 51_234 },
      },
    ]);
    expect([truncated, loss.records]).toEqual([false, 5]);
  });

  it('counts as failed what was late, unanswered, or answered with another code than NOERROR and NXDOMAIN', async () => {
    expect((await summary('')).items).toMatchObject([
      { group: {}, count: 7, failed: 4, unanswered: 1, late: 2, latencyUs: { max: 6_000_000 } },
    ]);
    expect((await summary('queryName=badexample.com')).items[0].failed).toBe(0);
  });

  it('groups by suffixes of whole labels, escaped dots within them', async () => {
    const groups = async (query: string) =>
      Object.fromEntries(
        (await summary(`groupBy=queryNameSuffix${query}`)).items.map(
          ({ group, count }: { group: { queryNameSuffix: string }; count: number }) => [
            group.queryNameSuffix,
            count,
          ],
        ),
      );
    expect(await groups('')).toEqual({
      'example.com': 4,
      'badexample.com': 1,
      [String.raw`=cmd\.example.com`]: 1,
      '.': 1,
    });
    expect(await groups('&suffixLabels=1')).toEqual({ com: 6, '.': 1 });
    expect(await groups('&suffixLabels=20')).toEqual(
      Object.fromEntries((await names('')).map((name) => [name, 1])),
    );
  });

  it('groups by every key, alone and together', async () => {
    const keys = [
      'queryName',
      'queryNameSuffix',
      'serverAddress',
      'clientAddress',
      'queryType',
      'responseCode',
      'outcome',
      'side',
      'transport',
      'agentId',
      'hostname',
      'processName',
      'sessionId',
    ];
    for (const key of keys) {
      const { items } = await summary(`groupBy=${key}`);
      expect(items.reduce((sum: number, { count }: { count: number }) => sum + count, 0)).toBe(
        key === 'sessionId' ? 8 : 7,
      );
    }
    const { items } = await summary(`groupBy=${keys.join()}&queryName=badexample.com`);
    expect(items[0].group).toEqual({
      queryName: 'badexample.com',
      queryNameSuffix: 'badexample.com',
      serverAddress: '192.0.2.53',
      clientAddress: '10.0.0.1',
      queryType: 'AAAA',
      responseCode: 'NXDOMAIN',
      outcome: 'answered',
      side: 'client',
      transport: 'udp',
      agentId: web,
      hostname: 'web-1',
      processName: 'curl',
      sessionId: TEST_SESSION_ID,
    });
  });

  it('refuses what it does not know, and windows that would take forever', async () => {
    expect(await summary('since=40d')).toMatchObject({ status: 400, errors: [{ path: 'since' }] });
    expect(await summary('groupBy=name')).toMatchObject({
      errors: [{ path: 'groupBy.0', message: expect.stringMatching(/^expected one of queryName, /) }],
    });
    expect(await summary('suffixLabels=0')).toMatchObject({ errors: [{ path: 'suffixLabels' }] });
  });
});
