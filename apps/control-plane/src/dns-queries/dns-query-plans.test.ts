import type { DnsQueryFilter } from '@synscope/api-contract';
import { createTestDatabase } from '@synscope/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createDatabasePool, DatabasePool } from '../database/database-pool.js';
import { RecordReader } from '../record-queries/record-reader.js';
import { PartitionStore } from '../record-storage/partition.store.js';
import { hourAt } from '../record-storage/partition-name.js';
import { DNS_QUERIES } from './dns-query-kind.js';

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

const startMs = Date.UTC(2026, 0, 31, 8);
const endMs = startMs + 2 * 3_600_000;
const scopeOf = (filter: DnsQueryFilter) => ({
  filter,
  agentIds: null,
  since: new Date(startMs).toISOString(),
  until: new Date(endMs).toISOString(),
});

// Two hours of queries, one in a hundred slow, one in a thousand never answered.
beforeAll(async () => {
  await new PartitionStore(pool).create('dns_query', [hourAt(startMs), hourAt(startMs) + 1]);
  await pool.query(
    `INSERT INTO dns_query (observed_at, elapsed_us, client_port, server_port, query_type, query_class, message_id, side, transport, outcome,
                            response_code, flags, id, agent_id, client_address, server_address, query_name, session_ids)
     SELECT time, CASE WHEN i % 1000 = 1 THEN 30000000 WHEN i % 100 = 0 THEN 20000 + i * 7919 % 100000 ELSE i % 20000 END, 40000, 53, 1, 1,
            i % 65536, 1, 1, CASE WHEN i % 1000 = 1 THEN 3 ELSE 1 END, CASE WHEN i % 1000 = 1 THEN NULL ELSE 0 END, 0,
            (lpad(to_hex((extract(epoch FROM time) * 1000)::bigint), 12, '0') || '7000' || '8' || lpad(to_hex(i), 15, '0'))::uuid,
            '0198c0de-0000-7000-8000-000000000001', '10.0.0.1', '192.0.2.53', 'n' || i % 300 || '.example.com',
            ARRAY['0198c0de-0000-7000-8000-000000000002'::uuid]
       FROM generate_series(0, 59999) AS i, LATERAL (SELECT $1::timestamptz + i * interval '120 milliseconds' AS time) AS t`,
    [new Date(startMs).toISOString()],
  );
  await pool.query('ANALYZE dns_query');
});

/** The plans of all statements that a read runs. */
async function plansOf(read: (reader: RecordReader) => Promise<unknown>): Promise<string[]> {
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
  return plans;
}

describe('the statements that list DNS queries', () => {
  it('read the slowest from the index by latency, without sorting the hour', async () => {
    const [plan = ''] = await plansOf((reader) =>
      reader.listByLatency(DNS_QUERIES, scopeOf({}), null, 100, endMs),
    );
    expect(plan).toMatch(/Index Scan Backward using dns_query_\d+_\d+_elapsed_us_observed_at/);
  });

  it.each<[DnsQueryFilter, RegExp]>([
    [{ queryName: ['n7.example.com'], minLatencyMs: 20 }, /Index Cond: .*query_name = ANY/],
    [{ outcome: ['unanswered'] }, /Index Cond: .*outcome = ANY/],
    [{ serverAddress: '192.0.2.53', minLatencyMs: 50 }, /Index Cond: .*server_address = /],
    [{ responseCode: ['SERVFAIL'], minLatencyMs: 20 }, /Index Cond: .*response_code = ANY/],
    [
      { queryNameSuffix: ['n7.example.com'], outcome: ['late', 'unanswered'] },
      /Filter: .*right"?\(query_name/,
    ],
  ])('check %j within the index by time, in one statement', async (filter, checked) => {
    const plans = await plansOf((reader) =>
      reader.listByTime(DNS_QUERIES, scopeOf(filter), null, 100, endMs),
    );
    expect(plans).toHaveLength(1);
    expect(plans[0]).toMatch(/Index (Only )?Scan Backward using dns_query_\d+_\d+_observed_at_id/);
    expect(plans[0]).toMatch(checked);
  });

  it('find the newest of all in a few slices', async () => {
    const plans = await plansOf((reader) => reader.listByTime(DNS_QUERIES, scopeOf({}), null, 20, endMs));
    expect(plans.length).toBeLessThanOrEqual(4);
  });

  it('give each query once over all pages by latency', async () => {
    const reader = new RecordReader(pool);
    const scope = { ...scopeOf({}), since: new Date(endMs - 300_000).toISOString() };
    const seen: { latencyUs: number | null; id: string }[] = [];
    for (let after: (typeof seen)[number] | null = null; ; ) {
      const page: typeof seen = await reader.listByLatency(DNS_QUERIES, scope, after, 400, endMs);
      seen.push(...page.map(({ latencyUs, id }) => ({ latencyUs, id })));
      after = page.at(-1) ?? null;
      if (page.length < 400) break;
    }
    expect(new Set(seen.map(({ id }) => id)).size).toBe(2_500);
    expect(seen).toHaveLength(2_500);
    const waited = seen.map(({ latencyUs }) => latencyUs ?? -1);
    expect(waited).toEqual(waited.toSorted((left, right) => right - left));
  });
});
