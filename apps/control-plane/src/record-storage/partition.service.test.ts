import { createTestDatabase } from '@synscope/testing';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { Configuration } from '../config/configuration.js';
import { createDatabasePool } from '../database/database-pool.js';
import { MetricsRegistry } from '../metrics/metrics-registry.js';
import { PartitionService } from './partition.service.js';
import { PartitionStore } from './partition.store.js';
import { partitionName } from './partition-name.js';
import { PARTITIONED_TABLES, type PartitionedTable } from './record-table.js';

const database = await createTestDatabase();
const pool = createDatabasePool({
  connectionString: database.url,
  maximumConnections: 6,
  statementTimeoutMs: 30_000,
  onConnectionLost: () => {},
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});

const HOUR_MS = 3_600_000;
const now = Date.UTC(2026, 0, 31, 8, 30);
const hour = now / HOUR_MS - 0.5;
const store = new PartitionStore(pool);
const service = (registry = new MetricsRegistry(), environment: Record<string, string> = {}) =>
  new PartitionService(
    store,
    Configuration.fromEnvironment({
      DATABASE_URL: database.url,
      SYNSCOPE_RECORD_RETENTION: '24h',
      ...environment,
    }),
    registry,
  );
const hours = async (table: PartitionedTable = 'handshake') =>
  (await store.list(table)).map((partition) => partition.hour);
const hoursOfAll = async () => Promise.all(PARTITIONED_TABLES.map(hours));

async function insert(observedAt: string): Promise<void> {
  await pool.query(
    `INSERT INTO handshake (observed_at, outcome, role, flags, local_port, remote_port, id, agent_id, local_address, remote_address, session_ids)
     VALUES ($1, 1, 1, 0, 1, 2, gen_random_uuid(), gen_random_uuid(), '::1', '::1', '{}')`,
    [observedAt],
  );
}

beforeEach(async () => {
  for (const table of PARTITIONED_TABLES) {
    for (const { name } of await store.list(table)) await pool.query(`DROP TABLE ${name}`);
  }
  await pool.query('DELETE FROM record_floor');
});

describe('partitions', () => {
  it('are made ahead of the hours to come for every kind of record', async () => {
    await service().maintain(now);
    const ahead = [hour, hour + 1, hour + 2, hour + 3];
    expect(await hoursOfAll()).toEqual(PARTITIONED_TABLES.map(() => ahead));
  });

  it.each(PARTITIONED_TABLES)(
    'of %s have the indexes of their table, and no vacuum after inserts',
    async (table) => {
      await store.create(table, [hour]);
      const { rows } = await pool.query(
        `SELECT reloptions, (SELECT count(*) FROM pg_index WHERE indrelid = c.oid) AS indexes,
              (SELECT count(*) FROM pg_index WHERE indrelid = $2::regclass) AS "ofTable"
         FROM pg_class c WHERE relname = $1`,
        [partitionName(table, hour), table],
      );
      expect(rows).toMatchObject([{ reloptions: ['autovacuum_vacuum_insert_threshold=-1'] }]);
      expect(rows[0].indexes).toBe(rows[0].ofTable);
      expect(rows[0].indexes).toBeGreaterThan(0);
    },
  );

  it('are made once when several replicas make them at the same time', async () => {
    await Promise.all([service().maintain(now), service().maintain(now), service().maintain(now)]);
    expect((await hoursOfAll()).map(({ length }) => length)).toEqual(PARTITIONED_TABLES.map(() => 4));
  });

  it('of an old hour are made on demand, for the kind that has records then', async () => {
    const partitions = service();
    await partitions.ensure('handshake', [hour - 5, hour - 5]);
    await insert(new Date(now - 5 * HOUR_MS).toISOString());
    const madeFor = (...tables: readonly string[]) =>
      PARTITIONED_TABLES.map((table) => (tables.includes(table) ? [hour - 5] : []));
    expect(await hoursOfAll()).toEqual(madeFor('handshake'));
    await partitions.ensure('dns_query', [hour - 5]);
    expect(await hoursOfAll()).toEqual(madeFor('handshake', 'dns_query'));
  });

  it('are dropped when retention is over, with everything in them, and the others are kept', async () => {
    for (const table of PARTITIONED_TABLES)
      await store.create(table, [hour - 30, hour - 26, hour - 25, hour - 1]);
    await insert(new Date((hour - 30) * HOUR_MS).toISOString());
    await service().maintain(now);
    const kept = [hour - 25, hour - 1, hour, hour + 1, hour + 2, hour + 3];
    expect(await hoursOfAll()).toEqual(PARTITIONED_TABLES.map(() => kept));
    for (const table of PARTITIONED_TABLES) {
      const { rows } = await pool.query('SELECT to_regclass($1) AS left', [partitionName(table, hour - 30)]);
      expect(rows).toEqual([{ left: null }]);
    }
  });

  it('that an interrupted run left detached are dropped by the next', async () => {
    await store.create('handshake', [hour - 40]);
    const name = partitionName('handshake', hour - 40);
    await pool.query(`ALTER TABLE handshake DETACH PARTITION ${name}`);
    await service().maintain(now);
    expect((await pool.query('SELECT to_regclass($1) AS left', [name])).rows).toEqual([{ left: null }]);
  });

  it('do not keep writers of other hours waiting while one is made or dropped', async () => {
    await store.create('handshake', [hour, hour - 40]);
    const writer = await pool.connect();
    await writer.query('BEGIN');
    await writer.query('LOCK TABLE handshake IN ROW EXCLUSIVE MODE');
    await store.create('handshake', [hour + 1]);
    await writer.query('ROLLBACK');
    writer.release();
    expect(await store.dropBefore('handshake', hour - 30)).toEqual([partitionName('handshake', hour - 40)]);
  });

  it('are left to the other replica that is at it', async () => {
    const other = await pool.connect();
    await other.query('SELECT pg_advisory_lock($1, $2)', [0x73796e73, 2]);
    expect(await store.dropBefore('handshake', hour)).toBeNull();
    await other.query('SELECT pg_advisory_unlock_all()');
    other.release();
    expect(await store.dropBefore('handshake', hour)).toEqual([]);
  });

  it('have their new blocks known to the time index after a summary', async () => {
    const partitions = service();
    for (const table of PARTITIONED_TABLES) await partitions.ensure(table, [hour]);
    await insert(new Date(now).toISOString());
    await partitions.summarize();
    await partitions.summarize();
  });
});

describe('the limit of size', () => {
  /** So many rows that the hour takes at least half a megabyte more than the others. */
  const fill = (atHour: number) =>
    pool.query(
      `INSERT INTO handshake (observed_at, outcome, role, flags, local_port, remote_port, id, agent_id, local_address, remote_address, session_ids)
       SELECT $1, 1, 1, 0, 1, 2, gen_random_uuid(), gen_random_uuid(), '::1', '::1', '{}' FROM generate_series(1, 5000)`,
      [new Date(atHour * HOUR_MS).toISOString()],
    );
  const limited = (bytes: number, registry = new MetricsRegistry()) =>
    service(registry, { SYNSCOPE_RECORD_STORAGE_BYTES: String(bytes) });
  const total = async () => (await store.sizes()).reduce((sum, { bytes }) => sum + bytes, 0);
  const bytesOf = async (...wanted: number[]) =>
    (await store.sizes())
      .filter((size) => wanted.includes(size.hour))
      .reduce((sum, { bytes }) => sum + bytes, 0);

  it('drops the oldest hours of all tables at once, until the rest is within it, and says why', async () => {
    await service().maintain(now);
    for (const table of PARTITIONED_TABLES)
      await store.create(table, [hour - 4, hour - 3, hour - 2, hour - 1]);
    for (const old of [4, 3, 2, 1]) await fill(hour - old);
    const limit = (await total()) - (await bytesOf(hour - 4)) - 1;
    const registry = new MetricsRegistry();
    await limited(limit, registry).maintain(now);
    const kept = [hour - 2, hour - 1, hour, hour + 1, hour + 2, hour + 3];
    expect(await hoursOfAll()).toEqual(PARTITIONED_TABLES.map(() => kept));
    expect(await total()).toBeLessThanOrEqual(limit);
    const text = await registry.metrics();
    expect(text).toContain('synscope_record_partitions_dropped_total{table="handshake",reason="size"} 2');
    expect(text).toContain('synscope_record_partitions_dropped_total{table="handshake",reason="age"} 0');
    expect(text).toMatch(/synscope_record_dropped_bytes_total{table="handshake",reason="size"} \d{7}/);
    expect(text).toContain(`synscope_record_storage_limit_bytes ${limit}`);
    const oldest = 'synscope_record_oldest_timestamp_seconds';
    expect(text).toContain(`${oldest}{table="handshake"} ${(hour - 2) * 3_600}`);
    expect(text).not.toContain(`${oldest}{table="dns_query"}`);
    const bytes = Number(/synscope_record_storage_bytes{table="handshake"} (\d+)/.exec(text)?.[1]);
    expect(bytes).toBeGreaterThan(1_000_000);
    expect(bytes).toBeLessThanOrEqual(limit);
  });

  it('never drops the present hour nor those ahead, and records of dropped hours are not let in again', async () => {
    await service().maintain(now);
    await store.create('handshake', [hour - 1]);
    await fill(hour - 1);
    await fill(hour);
    const tight = limited(1);
    expect(tight.earliestUs(now)).toBe((now - 24 * HOUR_MS) * 1_000);
    await tight.maintain(now);
    expect(await hours()).toEqual([hour, hour + 1, hour + 2, hour + 3]);
    expect(tight.earliestUs(now)).toBe(hour * HOUR_MS * 1_000);
    // Another replica learns of it at its next look, also one without a limit.
    const other = service();
    await other.maintain(now);
    expect(other.earliestUs(now)).toBe(hour * HOUR_MS * 1_000);
    expect((await pool.query('SELECT count(*) AS rows FROM handshake')).rows).toEqual([{ rows: 5_000 }]);
  });

  it('drops nothing that is within it, and tells what age has dropped from what it has', async () => {
    await store.create('handshake', [hour - 30, hour - 2]);
    const registry = new MetricsRegistry();
    await limited(999_999_999_999, registry).maintain(now);
    expect(await hours()).toEqual([hour - 2, hour, hour + 1, hour + 2, hour + 3]);
    const text = await registry.metrics();
    expect(text).toContain('synscope_record_partitions_dropped_total{table="handshake",reason="age"} 1');
    expect(text).toContain('synscope_record_partitions_dropped_total{table="handshake",reason="size"} 0');
  });
});

it('deletes the ledger after retention, but keeps the last batch of each boot for longer', async () => {
  const agent = '0198c0de-0000-7000-8000-000000000001';
  const day = 24 * HOUR_MS;
  const batch = (boot: number, seq: number, ageMs: number) =>
    pool.query(
      'INSERT INTO ingest_batch (agent_id, boot_id, seq, rows, received_at) VALUES ($1, $2, $3, 1, $4)',
      [agent, `0198c0de-0000-7000-8000-00000000000${boot}`, seq, new Date(now - ageMs).toISOString()],
    );
  await batch(1, 1, 2 * day);
  await batch(1, 2, 2 * day);
  await batch(2, 1, 2 * day);
  await batch(2, 2, day / 2);
  await batch(3, 1, 100 * day);
  await service().maintain(now);
  const { rows } = await pool.query(
    'SELECT right(boot_id::text, 1) AS boot, seq FROM ingest_batch ORDER BY 1, 2',
  );
  expect(rows).toEqual([
    { boot: '1', seq: 2 },
    { boot: '2', seq: 2 },
  ]);
});
