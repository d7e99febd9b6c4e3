import { Client } from 'pg';
import { expect, it } from 'vitest';
import { startThrowawayPostgres } from './throwaway-postgres.js';

async function query(url: string, sql: string): Promise<unknown[]> {
  const client = new Client({ connectionString: url });
  client.on('error', () => {});
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

it('comes back under the same URL after it was stopped or killed', async () => {
  const server = await startThrowawayPostgres({ durable: true });
  try {
    await query(server.url, 'CREATE TABLE kept AS SELECT 7 AS value');
    await server.stop();
    await expect(query(server.url, 'SELECT 1')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    await server.start();
    await server.kill();
    await server.start();
    expect(await query(server.url, 'SELECT value FROM kept')).toEqual([{ value: 7 }]);
  } finally {
    await server.remove();
  }
});
