import { toBinary } from '@bufbuild/protobuf';
import { type Batch, BatchSchema, LossCause } from '@synscope/protocol';
import { describe, expect, it } from 'vitest';
import { dnsQueryRecord } from '../testing/dns-query-record.js';
import { batchBytes, batchOf, type HandshakeRecord, handshakeRecord } from '../testing/handshake-batch.js';
import { listenerRecord } from '../testing/listener-record.js';
import { nameLookupRecord } from '../testing/name-lookup-record.js';
import { receiveQueueDropRecord } from '../testing/receive-queue-drop-record.js';
import { recordBatch } from '../testing/record-batch.js';
import { BatchReader } from './batch-reader.js';
import { BatchRefusedError } from './batch-refused.error.js';

const now = 1_790_000_000_000_000;
const bounds = { earliestUs: now - 7 * 86_400_000_000, latestUs: now + 300_000_000 };
const record = (changes: Partial<HandshakeRecord> = {}) => handshakeRecord({ observedAtUs: now, ...changes });

function refusal(bytes: Uint8Array): BatchRefusedError {
  try {
    new BatchReader().read(bytes, bounds);
  } catch (error) {
    if (error instanceof BatchRefusedError) return error;
    throw error;
  }
  throw new Error('the batch was taken');
}

type Columns = NonNullable<ReturnType<typeof batchOf>['handshakes']>;

/** A batch of three records with something wrong in its columns. */
function spoiled(spoil: (columns: Columns) => void): Uint8Array {
  const batch = batchOf(1, [record(), record(), record()]);
  if (!batch.handshakes) throw new Error('no columns');
  spoil(batch.handshakes);
  return toBinary(BatchSchema, batch);
}

describe('a batch reader', () => {
  it.each<[string, (columns: Columns) => void, string]>([
    [
      'a port',
      (c) => void c.remotePort.splice(2, 1, 70_000),
      'handshakes.remote_port[2] is 70000, outside 0–65535',
    ],
    ['a role', (c) => void c.role.splice(1, 1, 0), 'handshakes.role[1] is 0, outside 1–2'],
    ['an outcome', (c) => void c.outcome.splice(0, 1, 7), 'handshakes.outcome[0] is 7, outside 1–6'],
    [
      'a latency',
      (c) => void c.latencyUsPlusOne.splice(1, 1, 2n ** 63n),
      'handshakes.latency_us_plus_one[1] is',
    ],
    [
      'an ISN',
      (c) => void c.clientIsnPlusOne.splice(1, 1, 2n ** 32n + 1n),
      'handshakes.client_isn_plus_one[1] is',
    ],
    ['flags', (c) => void c.flags.splice(1, 1, 65_536), 'handshakes.flags[1] is 65536'],
    [
      'a name index',
      (c) => void c.processNameIndexPlusOne.splice(1, 1, 2),
      'process_name_index_plus_one[1] is 2, beyond its dictionary',
    ],
    [
      'a session set index',
      (c) => void c.sessionSetIndex.splice(2, 1, 1),
      'session_set_index[2] is 1, beyond its dictionary',
    ],
    [
      'a NUL in a name',
      (c) => void c.processNames.splice(0, 1, 'a\0b'),
      'handshakes.process_names[0] contains U+0000',
    ],
    [
      'an endless name',
      (c) => void c.processNames.splice(0, 1, 'x'.repeat(256)),
      'process_names[0] has 256 bytes',
    ],
    [
      'a short session id',
      (c) => void c.sessionSets[0]?.sessionIds.splice(0, 1, new Uint8Array(15)),
      'session_ids[0] has 15 bytes',
    ],
    [
      'a set without sessions',
      (c) => void c.sessionSets[0]?.sessionIds.splice(0),
      'session_ids is 0, outside 1–64',
    ],
    [
      'a row count of zero',
      (c) => void Object.assign(c, { rowCount: 0 }),
      'handshakes.row_count is 0, outside 1–4096',
    ],
    ['a row count above the bound', (c) => void Object.assign(c, { rowCount: 4_097 }), 'row_count is 4097'],
  ])('refuses %s out of range, and says where', (_what, spoil, message) => {
    const error = refusal(spoiled(spoil));
    expect(error.message).toContain(message);
    expect(error.reason).toBe('out_of_range');
  });

  it.each<[string, (columns: Columns) => void, string]>([
    [
      'a column that is too short',
      (c) => void c.netns.pop(),
      'handshakes.netns has a length of 2; row_count asks for 3',
    ],
    ['a column that is too long', (c) => void c.pid.push(1), 'handshakes.pid has a length of 4'],
    [
      'half an address',
      (c) => void Object.assign(c, { localAddress: new Uint8Array(40) }),
      'handshakes.local_address has a length of 40; row_count asks for 48',
    ],
  ])('refuses %s as malformed', (_what, spoil, message) => {
    const error = refusal(spoiled(spoil));
    expect(error.message).toContain(message);
    expect(error.reason).toBe('malformed');
  });

  it.each<[string, (batch: Batch) => void, string]>([
    ['a side', (b) => void b.dnsQueries?.side.splice(1, 1, 3), 'dns_queries.side[1] is 3, outside 1–2'],
    [
      'an outcome',
      (b) => void b.dnsQueries?.outcome.splice(1, 1, 4),
      'dns_queries.outcome[1] is 4, outside 1–3',
    ],
    ['a transport', (b) => void b.dnsQueries?.transport.splice(0, 1, 0), 'dns_queries.transport[0] is 0'],
    [
      'a response code',
      (b) => void b.dnsQueries?.responseCodePlusOne.splice(0, 1, 4_097),
      'dns_queries.response_code_plus_one[0] is 4097',
    ],
    [
      'a lookup id',
      (b) => void b.dnsQueries?.lookupId.splice(1, 1, 2n ** 52n),
      'dns_queries.lookup_id[1] is 4503599627370496',
    ],
    [
      'a query type',
      (b) => void b.dnsQueries?.queryType.splice(1, 1, 65_536),
      'dns_queries.query_type[1] is 65536',
    ],
    [
      'an elapsed time',
      (b) => void b.dnsQueries?.elapsedUs.splice(1, 1, 86_400_000_001n),
      'dns_queries.elapsed_us[1] is 86400000001',
    ],
    [
      'a name index',
      (b) => void b.dnsQueries?.queryNameIndex.splice(1, 1, 1),
      'dns_queries.query_name_index[1] is 1, beyond its dictionary',
    ],
    [
      'an ESC in a query name',
      (b) => void b.dnsQueries?.queryNames.splice(0, 1, 'a\x1b[2J'),
      'dns_queries.query_names[0] has byte 0x1b at 1, outside 0x21–0x7e',
    ],
    [
      'a space in a query name',
      (b) => void b.dnsQueries?.queryNames.splice(0, 1, 'a b'),
      'dns_queries.query_names[0] has byte 0x20 at 1',
    ],
    [
      'a DEL in a query name',
      (b) => void b.dnsQueries?.queryNames.splice(0, 1, 'a\x7f'),
      'dns_queries.query_names[0] has byte 0x7f',
    ],
    [
      'a query name beyond ASCII',
      (b) => void b.dnsQueries?.queryNames.splice(0, 1, 'ä.de'),
      'dns_queries.query_names[0] has byte 0xc3 at 0',
    ],
    [
      'an empty query name',
      (b) => void b.dnsQueries?.queryNames.splice(0, 1, ''),
      'dns_queries.query_names[0] has 0 bytes, outside 1–1004',
    ],
    [
      'an endless query name',
      (b) => void b.dnsQueries?.queryNames.splice(0, 1, 'x'.repeat(1_005)),
      'dns_queries.query_names[0] has 1005 bytes',
    ],
    [
      'a lookup name with a line feed',
      (b) => void b.nameLookups?.names.splice(0, 1, 'a\nb'),
      'name_lookups.names[0] has byte 0x0a at 1, outside 0x20–0x7e',
    ],
    [
      'an endless lookup name',
      (b) => void b.nameLookups?.names.splice(0, 1, 'x'.repeat(1_021)),
      'name_lookups.names[0] has 1021 bytes',
    ],
    ['a family', (b) => void b.nameLookups?.family.splice(1, 1, 65_536), 'name_lookups.family[1] is 65536'],
    [
      'no drops',
      (b) => void b.receiveQueueDrops?.drops.splice(1, 1, 0n),
      'receive_queue_drops.drops[1] is 0',
    ],
    [
      'a cause',
      (b) => void b.receiveQueueDrops?.cause.splice(1, 1, 3),
      'receive_queue_drops.cause[1] is 3, outside 1–2',
    ],
    [
      'a set of sessions',
      (b) => void b.receiveQueueDrops?.sessionSetIndex.splice(1, 1, 1),
      'receive_queue_drops.session_set_index[1] is 1, beyond',
    ],
    [
      'no socket',
      (b) => void b.listeners?.socketCookie.splice(1, 1, 0n),
      'listeners.socket_cookie[1] is 0, outside 1–',
    ],
    [
      'port 0',
      (b) => void b.listeners?.localPort.splice(1, 1, 0),
      'listeners.local_port[1] is 0, outside 1–65535',
    ],
    [
      'a setting',
      (b) => void b.listeners?.tcpSyncookiesPlusOne.splice(1, 1, 257),
      'listeners.tcp_syncookies_plus_one[1] is 257, outside 0–256',
    ],
    [
      'a row count',
      (b) => void Object.assign(b.nameLookups ?? {}, { rowCount: 0 }),
      'name_lookups.row_count is 0',
    ],
  ])('refuses %s out of range in any kind of record, and says where', (_what, spoil, message) => {
    const batch = recordBatch(1, {
      handshakes: [record()],
      dnsQueries: [dnsQueryRecord({ observedAtUs: now }), dnsQueryRecord({ observedAtUs: now })],
      nameLookups: [nameLookupRecord({ observedAtUs: now }), nameLookupRecord({ observedAtUs: now })],
      receiveQueueDrops: [
        receiveQueueDropRecord({ observedAtUs: now }),
        receiveQueueDropRecord({ observedAtUs: now }),
      ],
      listeners: [listenerRecord({ observedAtUs: now }), listenerRecord({ observedAtUs: now })],
    });
    new BatchReader().read(toBinary(BatchSchema, batch), bounds);
    spoil(batch);
    const error = refusal(toBinary(BatchSchema, batch));
    expect(error.message).toContain(message);
    expect(error.reason).toBe('out_of_range');
  });

  it('refuses a column that lacks a row', () => {
    const batch = recordBatch(1, { listeners: [listenerRecord({ observedAtUs: now }), listenerRecord()] });
    batch.listeners?.netnsListenDropsPlusOne.pop();
    const error = refusal(toBinary(BatchSchema, batch));
    expect(error.message).toContain('listeners.netns_listen_drops_plus_one');
    expect(error.reason).toBe('malformed');
  });

  it('refuses loss of a cause that agents do not assign, of nothing, and that ends before it begins', () => {
    const loss = { cause: LossCause.RING_FULL, records: 1, fromUs: now, untilUs: now };
    for (const changes of [
      { cause: 8 },
      { cause: 0 },
      { cause: 3 },
      { cause: 10 },
      { probe: 5 },
      { records: 0 },
      { untilUs: now - 1 },
    ]) {
      expect(refusal(batchBytes(1, [], [{ ...loss, ...changes }])).message).toMatch(/^loss\[0\]\./);
    }
  });

  it('refuses a name that is not UTF-8, a seq of zero and two sets of columns', () => {
    const bytes = Buffer.from(batchBytes(1, [record({ processName: 'qqqq' })]));
    bytes.fill(0xff, bytes.indexOf('qqqq'), bytes.indexOf('qqqq') + 4);
    expect(refusal(bytes).message).toBe('handshakes.process_names[0] is not UTF-8');
    expect(refusal(batchBytes(0, [record()])).message).toBe('seq is 0; it counts from 1');
    const twice = Buffer.concat([batchBytes(1, [record()]), batchBytes(1, [record()])]);
    expect(refusal(twice).message).toBe('Batch is malformed: handshakes occurs twice');
  });
});
