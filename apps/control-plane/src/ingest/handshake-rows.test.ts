import { createTestDatabase } from '@synscope/testing';
import fc from 'fast-check';
import { parse, version } from 'uuid';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createDatabasePool, type DatabasePool } from '../database/database-pool.js';
import { PartitionStore } from '../record-storage/partition.store.js';
import { observedAtOfRecordId, recordIdRange } from '../record-storage/record-id.js';
import { batchBytes, type HandshakeRecord, handshakeRecordArbitrary } from '../testing/handshake-batch.js';
import { BatchReader } from './batch-reader.js';
import { BatchRefusedError } from './batch-refused.error.js';
import { HandshakeRowWriter } from './handshake-rows.js';
import { storeGroup } from './ingest.store.js';
import type { PendingBatch } from './pending-batch.js';

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

beforeAll(() => new PartitionStore(pool).create('handshake', [hour, hour + 1]));

function pending(bytes: Uint8Array): PendingBatch {
  const reader = new BatchReader();
  reader.read(bytes, bounds);
  const rows =
    reader.rowCount > 0 ? new HandshakeRowWriter().write(reader, parse(agentId), parse(bootId)) : null;
  const key = `${agentId}/${bootId}/${reader.seq}`;
  return {
    key,
    agentId,
    bootId,
    seq: reader.seq,
    rows,
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

/** What Postgres is expected to hold for a record. */
function expectedRow(record: HandshakeRecord) {
  const { localAddress, remoteAddress, observedAtUs, ...same } = record;
  return {
    ...same,
    observedAtUs,
    localAddress: hexOf(localAddress),
    remoteAddress: hexOf(remoteAddress),
  };
}

function hexOf(address: Uint8Array): string {
  const hex = Buffer.from(address).toString('hex');
  return hex.startsWith('00000000000000000000ffff') ? hex.slice(24) : hex;
}

it('puts random batches into Postgres so that every column reads back as it was sent', async () => {
  let seq = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(handshakeRecordArbitrary(bounds.earliestUs, bounds.latestUs), { minLength: 1, maxLength: 40 }),
      async (records) => {
        await pool.query('TRUNCATE handshake');
        await store(batchBytes(++seq, records));
        const { rows } = await pool.query(`
          SELECT (extract(epoch FROM observed_at) * 1000000)::bigint AS "observedAtUs", role, outcome,
                 substr(encode(inet_send(local_address), 'hex'), 9) AS "localAddress",
                 substr(encode(inet_send(remote_address), 'hex'), 9) AS "remoteAddress",
                 local_port AS "localPort", remote_port AS "remotePort", latency_us AS "latencyUs",
                 accept_wait_us AS "acceptWaitUs", srtt_us AS "srttUs", syn_retransmits AS "synRetransmits",
                 syn_ack_retransmits AS "synAckRetransmits", client_isn AS "clientIsn", server_isn AS "serverIsn",
                 netns, pid, cgroup_id AS "cgroupId", process_name AS "processName", container_id AS "containerId",
                 session_ids AS "sessionIds", flags
            FROM handshake ORDER BY ('x' || right(id::text, 3))::bit(12)::int`);
        expect(rows).toEqual(records.map(expectedRow));
      },
    ),
    { numRuns: 60 },
  );
});

it('writes no batch that Postgres would not take, however its bytes were changed', async () => {
  let seq = 10_000;
  let stored = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(handshakeRecordArbitrary(bounds.earliestUs, bounds.latestUs), { minLength: 1, maxLength: 4 }),
      fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { minLength: 1, maxLength: 4 }),
      async (records, changes) => {
        const bytes = Uint8Array.from(batchBytes(++seq, records));
        // The bytes behind the batch's own number.
        for (const [at, value] of changes) bytes[4 + (at % (bytes.length - 4))] = value;
        try {
          await store(bytes);
          stored++;
        } catch (error) {
          expect(error).toBeInstanceOf(BatchRefusedError);
        }
      },
    ),
    { numRuns: 300 },
  );
  expect(stored).toBeGreaterThan(0);
});

it('gives ids that order like the time of observation and tell it', async () => {
  const { rows } = await pool.query<{ id: string; us: number }>(
    'SELECT id, (extract(epoch FROM observed_at) * 1000000)::bigint AS us FROM handshake ORDER BY id',
  );
  expect(rows.length).toBeGreaterThan(0);
  expect(rows.map(({ us }) => us)).toEqual(rows.map(({ us }) => us).toSorted((a, b) => a - b));
  for (const { id, us } of rows) {
    expect(version(id)).toBe(7);
    expect(observedAtOfRecordId(id)).toBe(us);
    const { first, last } = recordIdRange(us);
    expect(first <= id && id <= last).toBe(true);
  }
});

it('gives the same ids when a batch is written again, and others to other batches', () => {
  fc.assert(
    fc.property(handshakeRecordArbitrary(bounds.earliestUs, bounds.latestUs), (record) => {
      const rows = (seq: number) => pending(batchBytes(seq, [record])).rows?.bytes;
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
