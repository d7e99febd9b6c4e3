import { Client } from 'pg';
import { afterAll, expect, it } from 'vitest';
import { createEmptyTestDatabase, createTestDatabase, type TestDatabase } from './test-database.js';

const databases: TestDatabase[] = [];
afterAll(() => Promise.all(databases.map((database) => database.drop())));

async function withClient<T>(database: TestDatabase, use: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: database.url });
  await client.connect();
  try {
    return await use(client);
  } finally {
    await client.end();
  }
}

it('gives every caller a database of its own, also when many ask at once', async () => {
  databases.push(...(await Promise.all(Array.from({ length: 6 }, createTestDatabase))));
  const [first, second] = databases as [TestDatabase, TestDatabase];
  await withClient(first, (client) => client.query('CREATE TABLE only_here (id int PRIMARY KEY)'));
  const found = await withClient(second, (client) =>
    client.query(`SELECT to_regclass('only_here') AS found`),
  );
  expect(found.rows).toEqual([{ found: null }]);
});

it('gives an empty database without the schema of the control plane', async () => {
  const database = await createEmptyTestDatabase();
  databases.push(database);
  const tables = await withClient(database, (client) =>
    client.query(`SELECT 1 FROM pg_tables WHERE schemaname = 'public'`),
  );
  expect(tables.rowCount).toBe(0);
});

it('drops a database that somebody is still connected to', async () => {
  const database = await createEmptyTestDatabase();
  const client = new Client({ connectionString: database.url });
  const disconnected = new Promise<Error>((resolve) => {
    client.on('error', resolve);
  });
  await client.connect();
  await database.drop();
  expect(await disconnected).toMatchObject({ code: '57P01' });
});
