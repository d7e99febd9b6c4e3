import { DnsSide, ReceiveQueueDropCause } from '@synscope/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { IngestService } from '../ingest/ingest.service.js';
import { receiveQueueDropRecord } from '../testing/receive-queue-drop-record.js';
import { recordBatchBytes } from '../testing/record-batch.js';
import { ipv4 } from '../testing/record-columns.js';
import { startTestApplication, type TestApplication } from '../testing/test-application.js';

const agentId = '0198c0de-0000-7000-8000-000000000001';
const bootId = '0198c0de-0000-7000-8000-0000000000bb';
const startUs = (Date.now() - 20 * 60_000) * 1_000;

let application: TestApplication;
const read = async (query: string) => (await application.call('GET', `/receive-queue-drops?${query}`)).body;

beforeAll(async () => {
  application = await startTestApplication();
  const receiveQueueDrops = [
    receiveQueueDropRecord({ observedAtUs: startUs }),
    receiveQueueDropRecord({
      observedAtUs: startUs + 1_000_000,
      drops: 3,
      cause: ReceiveQueueDropCause.MEMORY_LIMIT,
      side: DnsSide.CLIENT,
      localAddress: ipv4('10.0.0.1'),
      localPort: 40_000,
      processName: 'curl',
    }),
  ];
  const bytes = recordBatchBytes(1, { receiveQueueDrops });
  await application.app.get(IngestService).submit({ agentId, bootId, bytes });
});
afterAll(() => application.close());

describe('GET /receive-queue-drops', () => {
  it('answers every field of a record', async () => {
    const { items, nextCursor, loss } = await read('side=resolver');
    expect(items).toEqual([
      {
        id: expect.stringMatching(/^[0-9a-f-]{14}7/),
        observedAt: new Date(startUs / 1_000).toISOString().replace('Z', '000Z'),
        intervalUs: 1_000_000,
        agentId,
        hostname: null,
        sessionIds: [expect.any(String)],
        side: 'resolver',
        cause: 'buffer_full',
        drops: 12,
        receiveBufferBytes: 212_992,
        local: { address: '192.0.2.53', port: 53 },
        process: { pid: 4_711, name: 'unbound', cgroupId: 77, containerId: null },
        netns: 4_026_531_840,
      },
    ]);
    expect([nextCursor, loss.records]).toEqual([null, 0]);
  });

  it.each([
    ['', [3, 12]],
    ['cause=memory_limit', [3]],
    ['localAddress=192.0.2.0/24', [12]],
    ['localPort=53', [12]],
    ['processName=curl', [3]],
    ['since=1m', []],
  ])('lists by %s, newest first', async (query, drops) => {
    const { items } = await read(query);
    expect(items.map((item: { drops: number }) => item.drops)).toEqual(drops);
  });

  it('goes on from page to page', async () => {
    const first = await read('limit=1');
    const second = await read(`limit=1&cursor=${first.nextCursor}`);
    expect([first.items[0].drops, second.items[0].drops, second.nextCursor]).toEqual([3, 12, null]);
  });

  it.each([
    ['cause=full', 'cause.0'],
    ['order=-latencyUs', 'order'],
    ['minLatencyMs=1', 'minLatencyMs'],
  ])('refuses %s and names the parameter', async (query, path) => {
    const { status, body } = await application.call('GET', `/receive-queue-drops?${query}`);
    expect([status, body.errors[0].path]).toEqual([400, path]);
  });
});
