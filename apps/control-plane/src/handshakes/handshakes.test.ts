import { HandshakeOutcome, HandshakeRole, LossCause } from '@synscope/protocol';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DatabasePool } from '../database/database-pool.js';
import { IngestService } from '../ingest/ingest.service.js';
import { batchBytes, type HandshakeRecord, handshakeRecord } from '../testing/handshake-batch.js';
import { ipv4, TEST_SESSION_ID } from '../testing/record-columns.js';
import { startTestApplication, type TestApplication } from '../testing/test-application.js';

const web = '0198c0de-0000-7000-8000-000000000001';
const database = '0198c0de-0000-7000-8000-000000000002';
const bootId = '0198c0de-0000-7000-8000-0000000000bb';
const otherSession = '0198c0de-0000-7000-8000-0000000000cc';
const startUs = (Date.now() - 20 * 60_000) * 1_000;
const second = 1_000_000;
const at = (seconds: number) => startUs + Math.round(seconds * second);

const ipv6 = Uint8Array.from(Buffer.from('20010db8000000000000000000000007', 'hex'));
const records: { agent: string; record: HandshakeRecord }[] = [
  { agent: web, record: { observedAtUs: at(0), latencyUs: 51_234, remotePort: 443, processName: 'nginx' } },
  { agent: web, record: { observedAtUs: at(1), latencyUs: 900, remotePort: 443, processName: '=cmd|x,"y"' } },
  {
    agent: web,
    record: {
      observedAtUs: at(2),
      latencyUs: 20_000,
      remoteAddress: ipv6,
      localAddress: ipv6,
      remotePort: 5_432,
    },
  },
  {
    agent: web,
    record: {
      observedAtUs: at(3),
      outcome: HandshakeOutcome.REFUSED,
      latencyUs: 300,
      remoteAddress: ipv4('192.0.2.9'),
      remotePort: 81,
    },
  },
  {
    agent: web,
    record: {
      observedAtUs: at(4),
      outcome: HandshakeOutcome.TIMED_OUT,
      latencyUs: 127_000_000,
      remoteAddress: ipv4('198.51.100.1'),
      sessionIds: [TEST_SESSION_ID, otherSession],
    },
  },
  {
    agent: database,
    record: {
      observedAtUs: at(5),
      role: HandshakeRole.SERVER,
      latencyUs: null,
      acceptWaitUs: 40,
      localPort: 5_432,
      flags: 1,
      clientIsn: null,
      pid: null,
      processName: null,
      cgroupId: null,
      netns: null,
      srttUs: null,
      synRetransmits: null,
    },
  },
  {
    agent: database,
    record: {
      observedAtUs: at(6),
      role: HandshakeRole.SERVER,
      latencyUs: 19_999,
      acceptWaitUs: 2_000_000,
      localPort: 5_432,
      containerId: 'c0ffee',
    },
  },
]
  // Sequence numbers of their own, so that none is taken for the other end of another.
  .map(({ agent, record }, index) => ({
    agent,
    record: handshakeRecord({ clientIsn: 2 * index + 1, ...(record as Partial<HandshakeRecord>) }),
  }));

let application: TestApplication;
const items = async (query: string) => (await application.call('GET', `/handshakes?${query}`)).body.items;
const latencies = async (query: string) =>
  (await items(query)).map(({ latencyUs }: { latencyUs: number | null }) => latencyUs);

beforeAll(async () => {
  application = await startTestApplication();
  const pool = application.app.get(DatabasePool);
  await pool.query(
    `INSERT INTO agent (id, hostname, public_key_hash) VALUES ($1, 'web-1', ''), ($2, 'db-1', '')`,
    [web, database],
  );
  const ingest = application.app.get(IngestService);
  for (const agentId of [web, database]) {
    const own = records.filter(({ agent }) => agent === agentId).map(({ record }) => record);
    const loss =
      agentId === web ? [{ cause: LossCause.RING_FULL, records: 5, fromUs: at(0), untilUs: at(10) }] : [];
    await ingest.submit({ agentId, bootId, bytes: batchBytes(1, own, loss) });
  }
});
afterAll(() => application.close());

describe('GET /handshakes', () => {
  it('answers every field of a record, and null for what is not known', async () => {
    const [client] = await items('minLatencyMs=50&outcome=established');
    expect(client).toEqual({
      id: expect.stringMatching(/^[0-9a-f-]{14}7/),
      observedAt: new Date(startUs / 1_000).toISOString().replace('Z', '000Z'),
      agentId: web,
      hostname: 'web-1',
      sessionIds: [TEST_SESSION_ID],
      role: 'client',
      outcome: 'established',
      family: 'ipv4',
      local: { address: '10.0.0.1', port: 40_000 },
      remote: { address: '192.0.2.1', port: 443 },
      process: { pid: 4_711, name: 'nginx', cgroupId: 77, containerId: null },
      latencyUs: 51_234,
      synRetransmits: 0,
      synAckRetransmits: null,
      srttUs: 1_200,
      acceptWaitUs: null,
      clientIsn: 1,
      serverIsn: 2,
      netns: 4_026_531_840,
      flags: [],
    });
    const unknown = (await items('role=server')).at(-1);
    expect(unknown).toMatchObject({
      latencyUs: null,
      acceptWaitUs: 40,
      clientIsn: null,
      netns: null,
      flags: ['syn_cookie'],
    });
    expect(unknown.process).toEqual({ pid: null, name: null, cgroupId: null, containerId: null });
  });

  it('orders by time, newest first, and by latency, slowest first with the unknown at the end', async () => {
    expect(await latencies('')).toEqual([19_999, null, 127_000_000, 300, 20_000, 900, 51_234]);
    expect(await latencies('order=-latencyUs')).toEqual([
      127_000_000,
      51_234,
      20_000,
      19_999,
      900,
      300,
      null,
    ]);
  });

  it.each([
    ['minLatencyMs=20', [127_000_000, 20_000, 51_234]],
    ['minLatencyMs=19.999', [19_999, 127_000_000, 20_000, 51_234]],
    ['minLatencyMs=0', [19_999, 127_000_000, 300, 20_000, 900, 51_234]],
    ['role=server', [19_999, null]],
    ['outcome=refused', [300]],
    ['outcome=refused,timed_out', [127_000_000, 300]],
    ['outcome=timed_out', [127_000_000]],
    [`agentId=${database}`, [19_999, null]],
    ['hostname=db-1', [19_999, null]],
    ['hostname=nowhere', []],
    [`hostname=db-1&agentId=${web}`, []],
    [`sessionId=${otherSession}`, [127_000_000]],
    ['remoteAddress=192.0.2.9', [300]],
    ['remoteAddress=198.51.100.0/24', [127_000_000]],
    ['remoteAddress=2001:db8::7', [20_000]],
    ['remoteAddress=2001:db8::/32&minLatencyMs=20', [20_000]],
    ['remotePort=5432', [20_000]],
    ['remotePort=81,5432', [300, 20_000]],
    ['localPort=5432', [19_999, null]],
    ['processName=nginx', [51_234]],
    [
      'minLatencyMs=20&agentId=0198c0de-0000-7000-8000-000000000001&processName=nginx&remotePort=443',
      [51_234],
    ],
    [
      `since=${new Date(at(2) / 1_000).toISOString()}&until=${new Date(at(4) / 1_000).toISOString()}`,
      [300, 20_000],
    ],
    ['since=1m', []],
    ['until=19m', [19_999, null, 127_000_000, 300, 20_000, 900, 51_234]],
    [`until=${new Date(at(2) / 1_000).toISOString()}`, [900, 51_234]],
  ])('filters by %s', async (query, expected) => {
    expect(await latencies(query)).toEqual(expected);
    expect((await latencies(`${query}&order=-latencyUs`)).toSorted()).toEqual(expected.toSorted());
  });

  it('gives the same items in pages of any length as at once, in both orders', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 8 }),
        fc.constantFrom('order=-observedAt', 'order=-latencyUs'),
        fc.constantFrom('', '&minLatencyMs=0', '&minLatencyMs=20', '&outcome=established'),
        async (limit, order, filter) => {
          const paged: unknown[] = [];
          let cursor = '';
          do {
            const { body } = await application.call(
              'GET',
              `/handshakes?${order}${filter}&limit=${limit}${cursor}`,
            );
            expect(body.items.length).toBeLessThanOrEqual(limit);
            paged.push(...body.items);
            cursor = body.nextCursor === null ? '' : `&cursor=${body.nextCursor}`;
          } while (cursor);
          expect(paged).toEqual(await items(`${order}${filter}`));
        },
      ),
      { numRuns: 25 },
    );
  });

  it('carries the loss that touches the window and the agents asked for', async () => {
    const { body } = await application.call('GET', '/handshakes');
    expect(body.loss).toMatchObject({
      records: 5,
      intervals: [{ agentId: web, cause: 'ring_full', records: 5 }],
    });
    expect((await application.call('GET', '/handshakes?hostname=db-1')).body.loss).toEqual({
      records: 0,
      intervals: [],
    });
    expect((await application.call('GET', '/handshakes?since=1m')).body.loss.records).toBe(0);
  });

  it('streams NDJSON and CSV, with cells that no spreadsheet runs', async () => {
    const ndjson = await application.call('GET', '/handshakes', {
      headers: { accept: 'application/x-ndjson' },
    });
    expect(
      ndjson.text
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line).latencyUs),
    ).toEqual(await latencies(''));
    const csv = await application.call('GET', '/handshakes', { headers: { accept: 'text/csv' } });
    const [heading] = csv.text.split('\r\n');
    expect(heading).toContain('local.address,local.port,remote.address,remote.port,process.pid,process.name');
    expect(csv.text).toContain(`"'=cmd|x,""y"""`);
  });

  it.each([
    ['limit=0', 'limit'],
    ['limit=1001', 'limit'],
    ['minLatencyMs=fast', 'minLatencyMs'],
    ['outcome=slow', 'outcome.0'],
    ['remoteAddress=example.com', 'remoteAddress'],
    ['remotePort=70000', 'remotePort.0'],
    ['since=yesterday', 'since'],
    ['since=1m&until=2m', 'until'],
    ['order=latency', 'order'],
    ['port=1', 'port'],
    ['cursor=nonsense', 'cursor'],
  ])('refuses %s and names the parameter', async (query, path) => {
    const { status, body } = await application.call('GET', `/handshakes?${query}`);
    expect(status).toBe(400);
    expect(body.errors[0].path).toBe(path);
  });

  it('refuses the cursor of another query', async () => {
    const { body } = await application.call('GET', '/handshakes?limit=1');
    const { status } = await application.call(
      'GET',
      `/handshakes?limit=1&role=client&cursor=${body.nextCursor}`,
    );
    expect(status).toBe(400);
  });
});

describe('GET /handshakes/{id}', () => {
  it('finds a record by its id, with room for the other end, which nobody has seen', async () => {
    for (const item of await items('')) {
      expect((await application.call('GET', `/handshakes/${item.id}`)).body).toEqual({
        ...item,
        peer: null,
        breakdown: null,
        stages: null,
      });
    }
  });

  it('answers 404 for ids that no record has', async () => {
    for (const id of ['0198c0de-0000-7000-8000-0000000000aa', '0198c0de-0000-4000-8000-0000000000aa']) {
      expect((await application.call('GET', `/handshakes/${id}`)).status).toBe(404);
    }
    expect((await application.call('GET', '/handshakes/nonsense')).status).toBe(400);
  });
});

describe('GET /handshakes/summary', () => {
  const summary = async (query: string) =>
    (await application.call('GET', `/handshakes/summary?${query}`)).body;

  it('counts, and gives exact percentiles of what is known', async () => {
    const { items: groups, truncated, loss } = await summary('groupBy=role');
    expect(groups).toEqual([
      {
        group: { role: 'client' },
        count: 5,
        failed: 2,
        latencyUs: { p50: 20_000, p90: 127_000_000, p99: 127_000_000, max: 127_000_000, mean: 25_414_487 },
      },
      {
        group: { role: 'server' },
        count: 2,
        failed: 0,
        latencyUs: { p50: 19_999, p90: 19_999, p99: 19_999, max: 19_999, mean: 19_999 },
      },
    ]);
    expect([truncated, loss.records]).toEqual([false, 5]);
  });

  it('makes one group of everything without groupBy, and none of nothing', async () => {
    expect((await summary('')).items).toMatchObject([{ group: {}, count: 7, failed: 2 }]);
    expect((await summary('since=1m')).items).toEqual([]);
  });

  it('groups by every key, alone and together', async () => {
    const keys = [
      'agentId',
      'hostname',
      'role',
      'outcome',
      'remoteAddress',
      'remotePort',
      'localPort',
      'processName',
      'sessionId',
    ];
    for (const key of keys) {
      const { items: groups } = await summary(`groupBy=${key}`);
      expect(groups.reduce((sum: number, { count }: { count: number }) => sum + count, 0)).toBe(
        key === 'sessionId' ? 8 : 7,
      );
    }
    const { items: all } = await summary(`groupBy=${keys.join()}&minLatencyMs=50&outcome=established`);
    expect(all[0].group).toEqual({
      agentId: web,
      hostname: 'web-1',
      role: 'client',
      outcome: 'established',
      remoteAddress: '192.0.2.1',
      remotePort: 443,
      localPort: 40_000,
      processName: 'nginx',
      sessionId: TEST_SESSION_ID,
    });
  });

  it('has latencies of null where none is known, orders as asked, and says when it leaves groups out', async () => {
    const { items: unknown } = await summary('groupBy=processName&role=server&order=-p99');
    expect(unknown.at(-1)).toEqual({
      group: { processName: null },
      count: 1,
      failed: 0,
      latencyUs: { p50: null, p90: null, p99: null, max: null, mean: null },
    });
    const slowest = await summary('groupBy=remoteAddress&order=-max&limit=1');
    expect([slowest.items[0].group.remoteAddress, slowest.truncated]).toEqual(['198.51.100.1', true]);
    expect((await summary(`groupBy=sessionId&sessionId=${otherSession}`)).items).toMatchObject([
      { group: { sessionId: otherSession }, count: 1 },
    ]);
  });

  it('refuses windows that would take forever and keys that it does not know', async () => {
    expect(await summary('since=40d')).toMatchObject({ status: 400, errors: [{ path: 'since' }] });
    expect(await summary('groupBy=port')).toMatchObject({
      status: 400,
      errors: [{ path: 'groupBy.0', message: expect.stringMatching(/^expected one of agentId, /) }],
    });
  });
});

describe('GET /handshakes/heatmap', () => {
  it('counts every record in its step and in the bucket of its latency', async () => {
    const { body } = await application.call('GET', '/handshakes/heatmap?step=1s&since=22m');
    expect(body.items).toHaveLength(7);
    expect(body.items.map(({ unknown }: { unknown: number }) => unknown)).toEqual([0, 0, 0, 0, 0, 1, 0]);
    for (const [index, { counts }] of body.items.entries()) {
      const latency = records[index]?.record.latencyUs ?? null;
      const bucket = body.buckets[counts.indexOf(1)];
      if (latency === null) expect(bucket).toBeUndefined();
      else expect(bucket.fromUs <= latency && latency < bucket.untilUs).toBe(true);
    }
  });

  it('refuses more steps than a page can show', async () => {
    const { body } = await application.call('GET', '/handshakes/heatmap?step=1s&since=1d');
    expect(body).toMatchObject({ status: 400, errors: [{ path: 'step' }] });
  });
});
