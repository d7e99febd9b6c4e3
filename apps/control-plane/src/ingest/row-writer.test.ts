import { createTestDatabase } from '@synscope/testing';
import fc from 'fast-check';
import { parse, version } from 'uuid';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createDatabasePool, type DatabasePool } from '../database/database-pool.js';
import { PartitionStore } from '../record-storage/partition.store.js';
import { observedAtOfRecordId, recordIdRange } from '../record-storage/record-id.js';
import { RECORD_TABLES } from '../record-storage/record-table.js';
import type { DnsQueryRecord } from '../testing/dns-query-record.js';
import type { HandshakeRecord } from '../testing/handshake-batch.js';
import type { ListenerRecord } from '../testing/listener-record.js';
import type { NameLookupRecord } from '../testing/name-lookup-record.js';
import type { ReceiveQueueDropRecord } from '../testing/receive-queue-drop-record.js';
import { batchContentsArbitrary, recordBatchBytes } from '../testing/record-batch.js';
import { BatchReader } from './batch-reader.js';
import { BatchRefusedError } from './batch-refused.error.js';
import { storeGroup } from './ingest.store.js';
import type { PendingBatch } from './pending-batch.js';
import { RowWriter } from './row-writer.js';

const database = await createTestDatabase();
const pool: DatabasePool = createDatabasePool({
  connectionString: database.url,
  maximumConnections: 2,
  statementTimeoutMs: 30_000,
  onConnectionLost: () => {},
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});

const HOUR_US = 3_600_000_000;
const hour = 500_000;
const agentId = '0198c0de-0000-7000-8000-0000000000aa';
const bootId = '0198c0de-0000-7000-8000-0000000000bb';
const bounds = { earliestUs: hour * HOUR_US, latestUs: (hour + 2) * HOUR_US - 1 };

beforeAll(async () => {
  const partitions = new PartitionStore(pool);
  for (const table of RECORD_TABLES) await partitions.create(table, [hour, hour + 1]);
});

function pending(bytes: Uint8Array): PendingBatch {
  const reader = new BatchReader();
  reader.read(bytes, bounds);
  const { seq } = reader;
  const identity = { agentId: parse(agentId), bootId: parse(bootId), seq };
  const writer = new RowWriter();
  return {
    key: `${agentId}/${bootId}/${seq}`,
    agentId,
    bootId,
    seq,
    rows: reader.columns
      .filter(({ storedCount }) => storedCount > 0)
      .map((columns) => writer.write(columns, identity)),
    loss: [],
    receivedAtMs: 0,
    resolve() {},
    reject() {},
  };
}

async function store(bytes: Uint8Array): Promise<void> {
  const client = await pool.connect();
  try {
    await storeGroup(client, [pending(bytes)]);
  } finally {
    client.release();
  }
}

function hexOf(address: Uint8Array): string {
  const hex = Buffer.from(address).toString('hex');
  return hex.startsWith('00000000000000000000ffff') ? hex.slice(24) : hex;
}

/** A record with its addresses as Postgres is asked for them. */
function withHexAddresses(record: object): object {
  return Object.fromEntries(
    Object.entries(record).map(([key, value]) => [key, value instanceof Uint8Array ? hexOf(value) : value]),
  );
}

const address = (column: string) => `substr(encode(inet_send(${column}), 'hex'), 9)`;
const COMMON_COLUMNS = `(extract(epoch FROM observed_at) * 1000000)::bigint AS "observedAtUs", netns, pid, cgroup_id AS "cgroupId",
  process_name AS "processName", container_id AS "containerId", session_ids AS "sessionIds"`;

const STORED_AS = {
  handshake: `role, outcome, ${address('local_address')} AS "localAddress", ${address('remote_address')} AS "remoteAddress",
    local_port AS "localPort", remote_port AS "remotePort", latency_us AS "latencyUs", accept_wait_us AS "acceptWaitUs",
    srtt_us AS "srttUs", syn_retransmits AS "synRetransmits", syn_ack_retransmits AS "synAckRetransmits",
    client_isn AS "clientIsn", server_isn AS "serverIsn", flags`,
  dns_query: `side, outcome, transport, ${address('client_address')} AS "clientAddress", ${address('server_address')} AS "serverAddress",
    client_port AS "clientPort", server_port AS "serverPort", elapsed_us AS "elapsedUs", query_type AS "queryType",
    query_class AS "queryClass", message_id AS "messageId", response_code AS "responseCode", answer_count AS "answerCount",
    lookup_id AS "lookupId", attempt, query_name AS "queryName", flags`,
  name_lookup: 'latency_us AS "latencyUs", result_code AS "resultCode", family, name, flags',
  receive_queue_drop: `interval_us AS "intervalUs", drops, cause, side, ${address('local_address')} AS "localAddress",
    local_port AS "localPort", receive_buffer_bytes AS "receiveBufferBytes"`,
  listener_sample: `interval_us AS "intervalUs", ${address('local_address')} AS "localAddress", local_port AS "localPort",
    socket_cookie AS "socketCookie", accept_queue_length AS "acceptQueueLength", accept_queue_limit AS "acceptQueueLimit",
    accept_queue_peak AS "acceptQueuePeak", syn_queue_length AS "synQueueLength", syn_queue_peak AS "synQueuePeak", syns,
    syns_refused_accept_queue_full AS "synsRefusedAcceptQueueFull", syns_refused_syn_queue_full AS "synsRefusedSynQueueFull",
    syns_refused_unexplained AS "synsRefusedUnexplained", syns_answered_by_cookie AS "synsAnsweredByCookie",
    acks_dropped_accept_queue_full AS "acksDroppedAcceptQueueFull", acks_dropped_on_cookie_path AS "acksDroppedOnCookiePath",
    drops, somaxconn, tcp_max_syn_backlog AS "tcpMaxSynBacklog", tcp_syncookies AS "tcpSyncookies",
    tcp_abort_on_overflow AS "tcpAbortOnOverflow", netns_listen_overflows AS "netnsListenOverflows",
    netns_listen_drops AS "netnsListenDrops", netns_tcp_req_q_full_drop AS "netnsTcpReqQFullDrop",
    netns_tcp_req_q_full_do_cookies AS "netnsTcpReqQFullDoCookies", netns_syncookies_sent AS "netnsSyncookiesSent",
    netns_syncookies_recv AS "netnsSyncookiesRecv", netns_syncookies_failed AS "netnsSyncookiesFailed"`,
} as const;

/** In the order of their batch. */
async function stored(table: keyof typeof STORED_AS): Promise<object[]> {
  const { rows } = await pool.query(
    `SELECT ${COMMON_COLUMNS}, ${STORED_AS[table]} FROM ${table} ORDER BY ('x' || right(id::text, 3))::bit(12)::int`,
  );
  return rows;
}

it('puts random batches into Postgres so that every column of every kind reads back as it was sent', async () => {
  let seq = 0;
  await fc.assert(
    fc.asyncProperty(batchContentsArbitrary(bounds.earliestUs, bounds.latestUs, 20), async (contents) => {
      await pool.query(`TRUNCATE ${RECORD_TABLES.join(', ')}`);
      await store(recordBatchBytes(++seq, contents));
      const expected: [
        keyof typeof STORED_AS,
        readonly (
          | HandshakeRecord
          | DnsQueryRecord
          | NameLookupRecord
          | ReceiveQueueDropRecord
          | ListenerRecord
        )[],
      ][] = [
        ['handshake', contents.handshakes],
        ['dns_query', contents.dnsQueries],
        ['name_lookup', contents.nameLookups],
        ['receive_queue_drop', contents.receiveQueueDrops],
        ['listener_sample', contents.listeners],
      ];
      for (const [table, records] of expected) {
        expect(await stored(table)).toEqual(records.map(withHexAddresses));
      }
    }),
    { numRuns: 60 },
  );
});

it('writes no batch that Postgres would not take, however its bytes were changed', async () => {
  let seq = 10_000;
  let taken = 0;
  await fc.assert(
    fc.asyncProperty(
      batchContentsArbitrary(bounds.earliestUs, bounds.latestUs, 2),
      fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { minLength: 1, maxLength: 4 }),
      async (contents, changes) => {
        const bytes = Uint8Array.from(recordBatchBytes(++seq, contents));
        // The bytes behind the batch's own number.
        for (const [at, value] of changes) bytes[4 + (at % (bytes.length - 4))] = value;
        try {
          await store(bytes);
          taken++;
        } catch (error) {
          expect(error).toBeInstanceOf(BatchRefusedError);
        }
      },
    ),
    { numRuns: 300 },
  );
  expect(taken).toBeGreaterThan(0);
});

it('gives ids that order like the time of observation and tell it, in every table', async () => {
  for (const table of RECORD_TABLES) {
    const { rows } = await pool.query<{ id: string; us: number }>(
      `SELECT id, (extract(epoch FROM observed_at) * 1000000)::bigint AS us FROM ${table} ORDER BY id`,
    );
    expect(rows.length).toBeGreaterThan(0);
    expect(rows.map(({ us }) => us)).toEqual(rows.map(({ us }) => us).toSorted((a, b) => a - b));
    for (const { id, us } of rows) {
      expect(version(id)).toBe(7);
      expect(observedAtOfRecordId(id)).toBe(us);
      const { first, last } = recordIdRange(us);
      expect(first <= id && id <= last).toBe(true);
    }
  }
});

it('gives the same ids when a batch is written again, and others to other batches', () => {
  fc.assert(
    fc.property(batchContentsArbitrary(bounds.earliestUs, bounds.latestUs, 3), (contents) => {
      const rows = (seq: number) => pending(recordBatchBytes(seq, contents)).rows.map(({ bytes }) => bytes);
      expect(rows(1)).toEqual(rows(1));
      expect(rows(1)).not.toEqual(rows(2));
    }),
    { numRuns: 20 },
  );
});

it('does not take another UUID for the id of a record', () => {
  expect(observedAtOfRecordId('0198c0de-0000-4000-8000-0000000000aa')).toBeNull();
  expect(observedAtOfRecordId('0198c0de-0000-7fff-8000-0000000000aa')).toBeNull();
  expect(observedAtOfRecordId('nonsense')).toBeNull();
});
