import { createTestDatabase, type TestDatabase } from '@synscope/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createDatabasePool, type DatabasePool } from './database-pool.js';
import { isDatabaseUnavailable } from './database-unavailable.js';

describe('the pool for hand-written SQL', () => {
  let database: TestDatabase;
  let pool: DatabasePool;
  const lost: Error[] = [];

  beforeAll(async () => {
    database = await createTestDatabase();
    pool = createDatabasePool({
      connectionString: database.url,
      maximumConnections: 2,
      statementTimeoutMs: 300,
      onConnectionLost: (error) => lost.push(error),
    });
  });
  afterAll(async () => {
    await pool.end();
    await database.drop();
  });

  it('reads times to the microsecond, in UTC', async () => {
    const { rows } =
      await pool.query(`SELECT '2026-01-31 09:15:30.12+01'::timestamptz AS a, '2026-01-31 08:15:30.123456Z'::timestamptz AS b,
      '1970-01-01Z'::timestamptz AS c`);
    expect(rows[0]).toEqual({
      a: '2026-01-31T08:15:30.120000Z',
      b: '2026-01-31T08:15:30.123456Z',
      c: '1970-01-01T00:00:00.000000Z',
    });
  });

  it('reads int8 as a number and refuses to round one', async () => {
    expect((await pool.query('SELECT 9007199254740991::int8 AS n')).rows[0]).toEqual({
      n: 9_007_199_254_740_991,
    });
    await expect(pool.query('SELECT 9007199254740992::int8 AS n')).rejects.toThrow('cast the column to text');
  });

  it('has a query canceled that runs too long', async () => {
    await expect(pool.query('SELECT pg_sleep(10)')).rejects.toMatchObject({ code: '57014' });
  });

  it('survives the loss of its connections, and replaces them', async () => {
    const victim = await pool.connect();
    const { rows } = await victim.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    victim.release();
    const closed = new Promise((resolve) => pool.once('remove', resolve));
    await pool
      .query('SELECT pg_terminate_backend($1) WHERE pg_backend_pid() <> $1', [rows[0]?.pid])
      .catch(() => undefined);
    const killer = createDatabasePool({
      connectionString: database.url,
      maximumConnections: 1,
      statementTimeoutMs: 5_000,
      onConnectionLost: () => {},
    });
    await killer.query(
      'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
    );
    await closed;
    await killer.end();
    expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
    expect(lost.length).toBeGreaterThan(0);
    expect(lost.every(isDatabaseUnavailable)).toBe(true);
  });

  it('survives the loss of a connection in use, whose next statement fails', async () => {
    const victim = await pool.connect();
    const { rows } = await victim.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    const ended = new Promise((resolve) => victim.once('end', resolve));
    await pool.query('SELECT pg_terminate_backend($1)', [rows[0]?.pid]);
    await ended;
    await expect(victim.query('SELECT 1')).rejects.toThrow();
    victim.release(true);
    expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  });
});
