import { createEmptyTestDatabase, type TestDatabase } from '@synscope/testing';
import pg from 'pg';
import { DataSource } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestApplication } from '../testing/test-application.js';
import { migrateDown, migrateUp } from './migration-runner.js';
import { MIGRATIONS } from './migrations/index.js';

describe('the migrations', () => {
  let database: TestDatabase;
  let client: pg.Client;

  beforeAll(async () => {
    database = await createEmptyTestDatabase();
    client = await connect(database.url);
  });
  afterAll(async () => {
    await client.end();
    await database.drop();
  });

  it('have numbers of their own, which their names begin with', () => {
    const numbers = MIGRATIONS.map(({ number }) => number);
    expect(new Set(numbers).size).toBe(numbers.length);
    for (const { number, name } of MIGRATIONS) expect(name).toMatch(new RegExp(`^0*${number}-[a-z-]+$`));
  });

  it('go up, down to nothing, and up again to the same schema', async () => {
    const everyName = MIGRATIONS.map(({ name }) => name).sort();
    expect(await migrateUp(client, MIGRATIONS)).toEqual(everyName);
    const before = await describeSchema(client);
    await migrateDown(client, MIGRATIONS);
    expect(await describeSchema(client)).toEqual([]);
    expect(await migrateUp(client, MIGRATIONS)).toEqual(everyName);
    expect(await describeSchema(client)).toEqual(before);
    expect(await migrateUp(client, MIGRATIONS)).toEqual([]);
  });

  it('give every table a primary key, except the tables of raw records', async () => {
    const { rows } = await client.query<{ name: string }>(`
      SELECT c.relname AS name FROM pg_class c
      WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
        AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'p')
      ORDER BY 1`);
    const withoutKey = rows.map(({ name }) => name);
    // A unique key on raw records would halve the ingest rate; the ledger keeps them from being stored twice.
    expect(
      withoutKey.filter(
        (name) => !/^(handshake|dns_query|name_lookup|receive_queue_drop|listener_sample)$/.test(name),
      ),
    ).toEqual([]);
  });

  it('are applied once by replicas that start together', async () => {
    const fresh = await createEmptyTestDatabase();
    const clients = await Promise.all([1, 2, 3, 4].map(() => connect(fresh.url)));
    const applied = await Promise.all(clients.map((replica) => migrateUp(replica, MIGRATIONS)));
    expect(applied.map((names) => names.length).sort((left, right) => left - right)).toEqual([
      0,
      0,
      0,
      MIGRATIONS.length,
    ]);
    await Promise.all(clients.map((replica) => replica.end()));
    await fresh.drop();
  });

  it('leave nothing of a step that fails, and say which it was', async () => {
    const broken = {
      number: 9_999,
      name: '9999-broken',
      up: 'CREATE TABLE half (id int PRIMARY KEY); SELECT 1/0;',
      down: '',
    };
    await expect(migrateUp(client, [...MIGRATIONS, broken])).rejects.toThrow(
      'migration 9999-broken failed: division by zero',
    );
    expect(await describeSchema(client)).not.toContainEqual(expect.stringContaining('half'));
  });

  it('refuse a database that a newer version has migrated', async () => {
    await client.query(`INSERT INTO schema_migration (number, name) VALUES (99999, '99999-later')`);
    await expect(migrateUp(client, MIGRATIONS)).rejects.toThrow(
      /newer Synscope \(unknown steps: 99999-later\)/,
    );
    await client.query('DELETE FROM schema_migration WHERE number = 99999');
  });
});

describe('the entities', () => {
  it('describe exactly the tables that the migrations make', async () => {
    const control = await startTestApplication();
    const dataSource = control.app.get(DataSource);
    const { upQueries } = await dataSource.driver.createSchemaBuilder().log();
    expect(upQueries.map(({ query }) => query)).toEqual([]);
    await control.close();
  });
});

async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  return client;
}

/** Tables with their columns, indexes, constraints and functions, without the runner's own table. */
async function describeSchema(client: pg.Client): Promise<string[]> {
  const { rows } = await client.query<{ line: string }>(`
    SELECT format('column %s.%s %s %s %s', table_name, column_name, data_type, is_nullable, column_default) AS line
      FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> 'schema_migration'
    UNION ALL SELECT 'index ' || indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename <> 'schema_migration'
    UNION ALL SELECT format('constraint %s %s', conrelid::regclass, pg_get_constraintdef(oid)) FROM pg_constraint
      WHERE connamespace = 'public'::regnamespace AND conrelid <> 'schema_migration'::regclass AND conrelid <> 0
    UNION ALL SELECT 'function ' || p.oid::regprocedure FROM pg_proc p WHERE pronamespace = 'public'::regnamespace
    UNION ALL SELECT 'type ' || typname FROM pg_type WHERE typnamespace = 'public'::regnamespace AND typtype IN ('e', 'd')
    ORDER BY 1`);
  return rows.map(({ line }) => line);
}
