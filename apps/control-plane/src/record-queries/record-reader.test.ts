import type { HandshakeFilter } from '@synscope/api-contract';
import { createTestDatabase } from '@synscope/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createDatabasePool, DatabasePool } from '../database/database-pool.js';
import { HANDSHAKES } from '../handshakes/handshake-kind.js';
import { PartitionStore } from '../record-storage/partition.store.js';
import { hourAt } from '../record-storage/partition-name.js';
import { RecordReader } from './record-reader.js';

const database = await createTestDatabase();
const pool = createDatabasePool({
  connectionString: database.url,
  maximumConnections: 2,
  statementTimeoutMs: 30_000,
  onConnectionLost: () => {},
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});

const ROWS = 60_000;
const startMs = Date.UTC(2026, 0, 31, 8);
const endMs = startMs + 2 * 3_600_000;
const scopeOf = (filter: HandshakeFilter) => ({
  filter,
  agentIds: null,
  since: new Date(startMs).toISOString(),
  until: new Date(endMs).toISOString(),
});

// Two hours of records, one in a hundred slow, one in a thousand failed.
beforeAll(async () => {
  await new PartitionStore(pool).create('handshake', [hourAt(startMs), hourAt(startMs) + 1]);
  await pool.query(
    `INSERT INTO handshake (observed_at, latency_us, outcome, id, role, local_port, remote_port, flags, agent_id, local_address,
                            remote_address, process_name, session_ids)
     SELECT time, CASE WHEN i % 100 = 0 THEN 20000 + i * 7919 % 100000 ELSE i % 20000 END, CASE WHEN i % 1000 = 1 THEN 2 ELSE 1 END,
            (lpad(to_hex((extract(epoch FROM time) * 1000)::bigint), 12, '0') || '7000' || '8' || lpad(to_hex(i), 15, '0'))::uuid,
            1, 40000, 443, 0, '0198c0de-0000-7000-8000-000000000001', '10.0.0.1', '192.0.2.1', 'curl',
            ARRAY['0198c0de-0000-7000-8000-000000000002'::uuid]
       FROM generate_series(0, $1::int - 1) AS i,
            LATERAL (SELECT $2::timestamptz + i * interval '120 milliseconds' AS time) AS t`,
    [ROWS, new Date(startMs).toISOString()],
  );
  await pool.query('ANALYZE handshake');
});

/** The plans of all statements that a read runs. */
async function plansOf(read: (store: RecordReader) => Promise<unknown>): Promise<string> {
  const plans: string[] = [];
  const explaining = Object.create(pool, {
    query: {
      value: async (text: string, parameters: unknown[]) => {
        const { rows } = await pool.query(`EXPLAIN ${text}`, parameters);
        plans.push(rows.map((row: Record<string, string>) => row['QUERY PLAN']).join('\n'));
        return pool.query(text, parameters);
      },
    },
  }) as DatabasePool;
  await read(new RecordReader(explaining));
  return plans.join('\n\n');
}

const BY_LATENCY = /Index (Only )?Scan Backward using handshake_\d+_\d+_latency_us_observed_at/;
const BY_TIME = /Index (Only )?Scan Backward using handshake_\d+_\d+_observed_at_id/;

describe('the reader of records', () => {
  it('reads the slowest from the index by latency, without sorting the hour', async () => {
    const plans = await plansOf((store) => store.listByLatency(HANDSHAKES, scopeOf({}), null, 100, endMs));
    expect(plans).toMatch(BY_LATENCY);
    expect(plans).not.toMatch(/Seq Scan on handshake/);
  });

  it('reads the next page of the slowest from the same index', async () => {
    const store = new RecordReader(pool);
    const [, last] = await store.listByLatency(HANDSHAKES, scopeOf({ minLatencyMs: 20 }), null, 2, endMs);
    if (!last) throw new Error('no rows');
    const after = { latencyUs: last.latencyUs, id: last.id };
    expect(
      await plansOf((own) => own.listByLatency(HANDSHAKES, scopeOf({ minLatencyMs: 20 }), after, 100, endMs)),
    ).toMatch(BY_LATENCY);
  });

  it('reads slow or failed ones by time from the index by time, in one statement', async () => {
    for (const filter of [{ minLatencyMs: 50 }, { outcome: ['refused' as const] }]) {
      const plans = await plansOf((store) => store.listByTime(HANDSHAKES, scopeOf(filter), null, 100, endMs));
      expect(plans).toMatch(BY_TIME);
      expect(plans.split('\n\n')).toHaveLength(1);
    }
  });

  it('finds the newest of all in a few slices, and reads no more of them than it needs', async () => {
    const plans = await plansOf((store) => store.listByTime(HANDSHAKES, scopeOf({}), null, 20, endMs));
    expect(plans.split('\n\n').length).toBeLessThanOrEqual(4);
    expect(plans).not.toMatch(/Seq Scan on handshake_20260131_08/);
  });

  it('finds a record by the time in its id', async () => {
    const [newest] = await new RecordReader(pool).listByTime(HANDSHAKES, scopeOf({}), null, 1, endMs);
    const id = newest?.id ?? '';
    expect(await plansOf((store) => store.find(HANDSHAKES, id))).toMatch(
      /Index Scan on handshake_20260131_09_observed_at/,
    );
    expect((await new RecordReader(pool).find(HANDSHAKES, id))?.id).toBe(id);
  });

  it('gives each record once over all pages, in both orders', async () => {
    const store = new RecordReader(pool);
    const scope = { ...scopeOf({}), since: new Date(endMs - 300_000).toISOString() };
    const byTime: string[] = [];
    const byLatency: (number | null)[] = [];
    for (let after: string | null = null; ; ) {
      const page: readonly { id: string }[] = await store.listByTime(HANDSHAKES, scope, after, 400, endMs);
      byTime.push(...page.map(({ id }) => id));
      after = page.at(-1)?.id ?? null;
      if (page.length < 400) break;
    }
    type Place = { latencyUs: number | null; id: string };
    for (let after: Place | null = null; ; ) {
      const page: readonly Place[] = await store.listByLatency(HANDSHAKES, scope, after, 400, endMs);
      byLatency.push(...page.map(({ latencyUs }) => latencyUs));
      after = page.at(-1) ?? null;
      if (page.length < 400) break;
    }
    expect(byTime).toHaveLength(2_500);
    expect(byTime).toEqual([...new Set(byTime)].toSorted().reverse());
    expect(byLatency).toHaveLength(2_500);
    expect(byLatency).toEqual(byLatency.toSorted((a, b) => (b ?? -1) - (a ?? -1)));
  });
});
