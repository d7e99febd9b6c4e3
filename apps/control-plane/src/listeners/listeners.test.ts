import type { Listener } from '@synscope/api-contract';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { IngestService } from '../ingest/ingest.service.js';
import { type ListenerRecord, listenerRecord } from '../testing/listener-record.js';
import { recordBatchBytes } from '../testing/record-batch.js';
import { ipv4 } from '../testing/record-columns.js';
import { startTestApplication, type TestApplication } from '../testing/test-application.js';

const agentId = '0198c0de-0000-7000-8000-000000000001';
const otherAgentId = '0198c0de-0000-7000-8000-000000000002';
const bootId = '0198c0de-0000-7000-8000-0000000000bb';
const startUs = (Date.now() - 20 * 60_000) * 1_000;
const at = (seconds: number) => ({ observedAtUs: startUs + seconds * 1_000_000 });
const timeText = (seconds: number) =>
  new Date(startUs / 1_000 + seconds * 1_000).toISOString().replace('Z', '000Z');

/** A service that cannot keep up; its settings are changed while it is watched. */
const busy = (seconds: number, changes: Partial<ListenerRecord>) =>
  listenerRecord({
    ...at(seconds),
    localPort: 7_000,
    socketCookie: 0x5a,
    processName: 'java',
    acceptQueueLimit: 4,
    ...changes,
  });
const BUSY = [
  busy(1, { acceptQueueLength: 5, acceptQueuePeak: 5, syns: 10, synsRefusedAcceptQueueFull: 6, drops: 6 }),
  busy(2, {
    acceptQueueLength: 2,
    acceptQueuePeak: 4,
    synQueueLength: 1,
    synQueuePeak: 8,
    syns: 20,
    synsRefusedSynQueueFull: 1,
    synsRefusedUnexplained: 2,
    synsAnsweredByCookie: 3,
    acksDroppedAcceptQueueFull: 4,
    acksDroppedOnCookiePath: 5,
    drops: null,
    somaxconn: 8_192,
    netnsListenOverflows: 9,
    netnsListenDrops: null,
    netnsSyncookiesSent: 3,
  }),
];

let application: TestApplication;
const read = async (path: string) => (await application.call('GET', path)).body;

/** The ids on all pages; `each` sees each page before the next one is read. */
async function pages(path: string, each?: (items: Listener[]) => Promise<void>): Promise<string[]> {
  const ids: string[] = [];
  let cursor = '';
  do {
    const page = await read(`${path}${cursor && `&cursor=${cursor}`}`);
    ids.push(...page.items.map(({ id }: Listener) => id));
    await each?.(page.items);
    cursor = page.nextCursor ?? '';
  } while (cursor);
  return ids;
}

beforeAll(async () => {
  application = await startTestApplication();
  const ingest = application.app.get(IngestService);
  const listeners = [
    ...BUSY,
    listenerRecord({ ...at(3), localAddress: ipv4('0.0.0.0'), socketCookie: 0x5b, drops: 7 }),
    // A second socket of an SO_REUSEPORT group.
    listenerRecord({ ...at(4), localAddress: ipv4('0.0.0.0'), socketCookie: 0x5c }),
  ];
  await ingest.submit({ agentId, bootId, bytes: recordBatchBytes(1, { listeners }) });
  // Cookies of another host mean other sockets.
  const others = [busy(5, { synsRefusedAcceptQueueFull: 1, netns: null })];
  await ingest.submit({
    agentId: otherAgentId,
    bootId,
    bytes: recordBatchBytes(1, { listeners: others }),
  });
});
afterAll(() => application.close());

describe('GET /listeners', () => {
  it('answers the newest sample of a socket with the sums of all of them', async () => {
    const { items, nextCursor, loss } = await read(`/listeners?localPort=7000&agentId=${agentId}`);
    expect(items).toEqual([
      {
        id: expect.stringMatching(/^[0-9a-f-]{14}7/),
        observedAt: timeText(2),
        firstObservedAt: timeText(1),
        samples: 2,
        observedUs: 2_000_000,
        agentId,
        hostname: null,
        sessionIds: [expect.any(String)],
        local: { address: '192.0.2.80', port: 7_000 },
        socketCookie: '5a',
        acceptQueue: { length: 2, limit: 4, peak: 5 },
        synQueue: { length: 1, peak: 8 },
        syns: 30,
        synsRefused: { acceptQueueFull: 6, synQueueFull: 1, unexplained: 2 },
        synsAnsweredByCookie: 3,
        acksDropped: { acceptQueueFull: 4, cookiePath: 5 },
        drops: 6,
        settings: { somaxconn: 8_192, tcpMaxSynBacklog: 1_024, tcpSyncookies: 1, tcpAbortOnOverflow: 0 },
        netnsCounters: {
          listenOverflows: 9,
          listenDrops: 0,
          tcpReqQFullDrop: 0,
          tcpReqQFullDoCookies: 0,
          syncookiesSent: 3,
          syncookiesRecv: 0,
          syncookiesFailed: 0,
        },
        process: { pid: 4_711, name: 'java', cgroupId: 77, containerId: null },
        netns: 4_026_531_840,
      },
    ]);
    expect([nextCursor, loss.records]).toEqual([null, 0]);
  });

  it.each([
    ['', [3, 4, 2, 5]],
    ['order=-refused', [2, 5, 3, 4]],
    ['refusing=true', [2, 5]],
    ['refusing=false', [3, 4]],
    ['processName=java&order=-refused', [2, 5]],
    ['localAddress=192.0.2.0/24', [2, 5]],
    ['localAddress=0.0.0.0', [3, 4]],
    ['localPort=80', [3, 4]],
    ['socketCookie=5b', [3]],
    [`agentId=${otherAgentId}`, [5]],
    ['hostname=nobody', []],
    ['since=1m', []],
  ])('lists by %s', async (query, seconds) => {
    const { items } = await read(`/listeners?${query}`);
    expect(items.map((item: { observedAt: string }) => item.observedAt)).toEqual(seconds.map(timeText));
  });

  it.each(['localPort', '-refused'])('goes on from page to page by %s', async (order) => {
    const { items } = await read(`/listeners?order=${order}`);
    expect(await pages(`/listeners?order=${order}&limit=1`)).toEqual(items.map(({ id }: Listener) => id));
  });

  it('has every socket once on its pages, also if samples come in between', async () => {
    const before = await read('/listeners');
    const cookies = before.items.map(({ socketCookie }: Listener) => socketCookie);
    const seen: string[] = [];
    let seq = 1;
    await pages('/listeners?limit=1', async (page) => {
      seen.push(...page.map(({ socketCookie }) => socketCookie));
      const listeners = [0x5b, 0x5c].map((socketCookie) =>
        listenerRecord({ ...at(10 + seq), localAddress: ipv4('0.0.0.0'), socketCookie }),
      );
      const bytes = recordBatchBytes(++seq, { listeners });
      await application.app.get(IngestService).submit({ agentId, bootId, bytes });
    });
    expect(seen).toEqual(cookies);
  });

  it('streams CSV and NDJSON', async () => {
    const csv = await application.call('GET', '/listeners?refusing=true', {
      headers: { accept: 'text/csv' },
    });
    const [head, ...rows] = csv.text.trimEnd().split('\n');
    expect(head).toContain('acceptQueue.length');
    expect(head).toContain('synsRefused.acceptQueueFull');
    expect(rows).toHaveLength(2);
  });

  it.each([
    ['refusing=yes', 'refusing'],
    ['localPort=65536', 'localPort.0'],
    ['localAddress=here', 'localAddress'],
    ['socketCookie=0x5a', 'socketCookie'],
    ['socketCookie=20000000000000', 'socketCookie'],
    ['order=-latencyUs', 'order'],
    ['minLatencyMs=1', 'minLatencyMs'],
    ['since=40d', 'since'],
    ['cursor=abc', 'cursor'],
  ])('refuses %s and names the parameter', async (query, path) => {
    const { status, body } = await application.call('GET', `/listeners?${query}`);
    expect([status, body.errors[0].path]).toEqual([400, path]);
  });
});

describe('GET /listener-samples', () => {
  it('is the history of a socket, newest first, page by page', async () => {
    const path = `/listener-samples?agentId=${agentId}&socketCookie=5a`;
    const first = await read(`${path}&limit=1`);
    const second = await read(`${path}&limit=1&cursor=${first.nextCursor}`);
    expect(first.items[0]).toMatchObject({
      observedAt: timeText(2),
      intervalUs: 1_000_000,
      syns: 20,
      drops: null,
      netnsCounters: { listenOverflows: 9, listenDrops: null },
    });
    expect(second.items[0]).toMatchObject({ observedAt: timeText(1), syns: 10 });
    expect(second.nextCursor).toBeNull();
  });

  it.each([
    ['refusing=true', [5, 2, 1]],
    [`refusing=false&until=${timeText(9)}`, [4, 3]],
    [`processName=nginx&until=${timeText(9)}`, [4, 3]],
  ])('lists by %s', async (query, seconds) => {
    const { items } = await read(`/listener-samples?${query}`);
    expect(items.map((item: { observedAt: string }) => item.observedAt)).toEqual(seconds.map(timeText));
  });

  it('has each sample by its id, and no other', async () => {
    const { items } = await read('/listener-samples?refusing=true');
    expect(await read(`/listener-samples/${items[0].id}`)).toEqual(items[0]);
    const unknown = await application.call('GET', '/listener-samples/0198c0de-0000-7000-8000-0000000000aa');
    expect([unknown.status, unknown.body.code]).toEqual([404, 'not_found']);
  });

  it.each([
    ['order=-observedAt', 'order'],
    ['refusing=', 'refusing'],
  ])('refuses %s and names the parameter', async (query, path) => {
    const { status, body } = await application.call('GET', `/listener-samples?${query}`);
    expect([status, body.errors[0].path]).toEqual([400, path]);
  });
});
