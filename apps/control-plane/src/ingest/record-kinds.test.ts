import { LossCause, Probe } from '@synscope/protocol';
import { createTestDatabase } from '@synscope/testing';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { createDatabasePool, type DatabasePool } from '../database/database-pool.js';
import { hourAt, partitionName } from '../record-storage/partition-name.js';
import { RECORD_TABLES } from '../record-storage/record-table.js';
import { WindowLossStore } from '../record-storage/window-loss.store.js';
import { dnsQueryRecord } from '../testing/dns-query-record.js';
import { handshakeRecord } from '../testing/handshake-batch.js';
import { listenerRecord } from '../testing/listener-record.js';
import { nameLookupRecord } from '../testing/name-lookup-record.js';
import { receiveQueueDropRecord } from '../testing/receive-queue-drop-record.js';
import { type BatchContents, recordBatchBytes } from '../testing/record-batch.js';
import { startTestIngest } from '../testing/test-ingest.js';

const database = await createTestDatabase();
const pool: DatabasePool = createDatabasePool({
  connectionString: database.url,
  maximumConnections: 4,
  statementTimeoutMs: 30_000,
  onConnectionLost: () => {},
});
const { ingest, metric } = startTestIngest(database.url, pool);
afterAll(async () => {
  await ingest.beforeApplicationShutdown();
  await pool.end();
  await database.drop();
});

const bootId = '0198c0de-0000-7000-8000-0000000000bb';
let agentNumber = 0;
let agentId = '';
beforeEach(() => {
  agentId = `0198c0de-0000-7000-8000-${(++agentNumber).toString(16).padStart(12, '0')}`;
});

const submit = (seq: number, contents: BatchContents) =>
  ingest.submit({ agentId, bootId, bytes: recordBatchBytes(seq, contents) });

async function count(table: string): Promise<number> {
  const { rows } = await pool.query<{ count: number }>(`SELECT count(*) FROM ${table} WHERE agent_id = $1`, [
    agentId,
  ]);
  return rows[0]?.count ?? -1;
}

const wholeTime = { since: '2000-01-01T00:00:00Z', until: '2100-01-01T00:00:00Z' };

describe('ingest of several kinds of records', () => {
  it('tells the loss of one probe apart, and counts a gap as loss of each', async () => {
    const now = Date.now() * 1_000;
    const loss = { cause: LossCause.RING_FULL, fromUs: now - 5_000_000, untilUs: now };
    await submit(1, {
      loss: [
        { ...loss, records: 1, probe: Probe.TCP_HANDSHAKE },
        { ...loss, records: 20, probe: Probe.DNS },
        { ...loss, records: 300, probe: Probe.NAME_LOOKUP },
        { ...loss, records: 4_000, probe: Probe.LISTENER },
      ],
    });
    await submit(3, {});
    const ofProbe = async (probe: Probe) => {
      const found = await new WindowLossStore(pool).touching({ ...wholeTime, agentIds: [agentId], probe });
      return [found.records, found.intervals.map((interval) => interval.probe).toSorted()];
    };
    expect(await ofProbe(Probe.TCP_HANDSHAKE)).toEqual([1, [null, 'tcp_handshake']]);
    expect(await ofProbe(Probe.DNS)).toEqual([20, ['dns', null]]);
    expect(await ofProbe(Probe.NAME_LOOKUP)).toEqual([300, ['name_lookup', null]]);
    expect(await ofProbe(Probe.LISTENER)).toEqual([4_000, ['listener', null]]);
    const ofAll = await new WindowLossStore(pool).touching({ ...wholeTime, agentIds: [agentId] });
    expect([ofAll.records, ofAll.intervals.length]).toEqual([4_321, 5]);
  });

  it('stores all kinds of records of a batch in one transaction, once, and counts them by kind', async () => {
    const contents = {
      handshakes: [handshakeRecord()],
      dnsQueries: [dnsQueryRecord(), dnsQueryRecord({ queryName: '\\027.example' })],
      nameLookups: [nameLookupRecord(), nameLookupRecord(), nameLookupRecord()],
      receiveQueueDrops: [receiveQueueDropRecord()],
      listeners: [listenerRecord(), listenerRecord({ socketCookie: 91 })],
    };
    const counted = () =>
      Promise.all(RECORD_TABLES.map((kind) => metric('synscope_ingest_rows_total', { kind })));
    const before = await counted();
    await Promise.all([submit(1, contents), submit(1, contents)]);
    await submit(1, contents);
    const counts = await Promise.all(RECORD_TABLES.map(count));
    expect(counts).toEqual([1, 2, 3, 1, 2]);
    const { rows } = await pool.query(
      `SELECT count(DISTINCT xmin::text)::int AS transactions FROM (
         ${[...RECORD_TABLES, 'ingest_batch'].map((table) => `SELECT xmin FROM ${table} WHERE agent_id = $1`).join(' UNION ALL ')}
       ) AS written`,
      [agentId],
    );
    expect(rows).toEqual([{ transactions: 1 }]);
    const ledger = await pool.query('SELECT rows FROM ingest_batch WHERE agent_id = $1', [agentId]);
    expect(ledger.rows).toEqual([{ rows: 9 }]);
    const after = await counted();
    expect(after.map((rows, kind) => rows - (before[kind] ?? 0))).toEqual(counts);
  });

  it('stores nothing of a batch in which one kind of records is out of range', async () => {
    const contents = {
      handshakes: [handshakeRecord()],
      dnsQueries: [dnsQueryRecord({ queryName: 'a\u001b[2J' })],
    };
    await expect(submit(1, contents)).rejects.toMatchObject({
      reason: 'out_of_range',
      message: expect.stringContaining('dns_queries.query_names[0]'),
    });
    expect(await Promise.all([...RECORD_TABLES, 'ingest_batch'].map(count))).toEqual([0, 0, 0, 0, 0, 0]);
  });

  it('makes the partition of an old hour for the kinds of records that came from then', async () => {
    const observedAtUs = (Date.now() - 7 * 3_600_000) * 1_000;
    await submit(1, { handshakes: [handshakeRecord()], dnsQueries: [dnsQueryRecord({ observedAtUs })] });
    expect([await count('handshake'), await count('dns_query')]).toEqual([1, 1]);
    const old = await Promise.all(
      RECORD_TABLES.map(async (table) => {
        const { rows } = await pool.query('SELECT to_regclass($1) IS NOT NULL AS there', [
          partitionName(table, hourAt(observedAtUs / 1_000)),
        ]);
        return rows[0].there;
      }),
    );
    expect(old).toEqual([false, true, false, false, false]);
  });
});
