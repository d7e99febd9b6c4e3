import { Injectable } from '@nestjs/common';
import type { PoolClient } from 'pg';
import { DatabasePool } from '../database/database-pool.js';
import { hourOfPartition, partitionName, startOfHour } from './partition-name.js';
import { PARTITIONED_TABLES, type PartitionedTable } from './record-table.js';

/** Postgres detaches when everybody who might still read the partition is done; what does not finish in time is finished later. */
const DETACH_TIMEOUT_MS = 10_000;

/** Any two constants; the first is "syns" in ASCII. */
const LOCK_CLASS = 0x73796e73;
const LOCK_OF_CREATION = 1;
const LOCK_OF_RETENTION = 2;

export interface Partition {
  readonly name: string;
  readonly hour: number;
  /** An earlier detach was interrupted half-way. */
  readonly detachPending: boolean;
}

export interface PartitionSize {
  readonly table: PartitionedTable;
  readonly name: string;
  readonly hour: number;
  /** With its indexes. */
  readonly bytes: number;
  readonly hasRows: boolean;
}

/** The SQL of partitions. Nothing here keeps writers or readers of the other partitions waiting. */
@Injectable()
export class PartitionStore {
  constructor(private readonly pool: DatabasePool) {}

  /** Makes the partitions of these hours that are not there yet; answers how many it made. */
  async create(table: PartitionedTable, hours: readonly number[]): Promise<number> {
    const client = await this.pool.connect();
    let failure: Error | undefined;
    try {
      await client.query('BEGIN');
      // Replicas make partitions ahead at the same times.
      await client.query('SELECT pg_advisory_xact_lock($1, $2)', [LOCK_CLASS, LOCK_OF_CREATION]);
      const present = new Set((await this.#list(client, table)).map(({ hour }) => hour));
      const missing = [...new Set(hours)].filter((hour) => !present.has(hour));
      for (const hour of missing) await this.#createOne(client, table, hour);
      await client.query('COMMIT');
      return missing.length;
    } catch (error) {
      failure = error instanceof Error ? error : new Error(String(error));
      throw error;
    } finally {
      // A client that may still be within a transaction must not go back into the pool.
      client.release(failure);
    }
  }

  /**
   * Made as a table of its own and then attached: CREATE TABLE … PARTITION OF would lock the parent against everybody.
   * Rows are never updated or deleted, so vacuuming them after inserts writes as much WAL as the rows did, for nothing.
   */
  async #createOne(client: PoolClient, table: PartitionedTable, hour: number): Promise<void> {
    const name = partitionName(table, hour);
    await client.query(`
      CREATE TABLE IF NOT EXISTS ${name} (LIKE ${table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE)
        WITH (autovacuum_vacuum_insert_threshold = -1);
      ALTER TABLE ${table} ATTACH PARTITION ${name}
        FOR VALUES FROM ('${startOfHour(hour)}') TO ('${startOfHour(hour + 1)}')`);
  }

  async list(table: PartitionedTable): Promise<Partition[]> {
    const client = await this.pool.connect();
    try {
      return await this.#list(client, table);
    } finally {
      client.release();
    }
  }

  async #list(client: PoolClient, table: PartitionedTable): Promise<Partition[]> {
    const { rows } = await client.query<{ name: string; pending: boolean }>(
      `SELECT child.relname AS name, link.inhdetachpending AS pending
         FROM pg_inherits link JOIN pg_class child ON child.oid = link.inhrelid
        WHERE link.inhparent = $1::regclass ORDER BY child.relname`,
      [table],
    );
    return rows.flatMap(({ name, pending }) => {
      const hour = hourOfPartition(table, name);
      return hour === null ? [] : [{ name, hour, detachPending: pending }];
    });
  }

  /** Of all partitions of all tables. */
  async sizes(): Promise<PartitionSize[]> {
    const { rows } = await this.pool.query<Omit<PartitionSize, 'hour'>>(
      `SELECT parent.relname AS "table", child.relname AS name, coalesce(pg_total_relation_size(child.oid), 0)::bigint AS bytes,
              coalesce(pg_relation_size(child.oid), 0) > 0 AS "hasRows"
         FROM pg_inherits link
         JOIN pg_class child ON child.oid = link.inhrelid
         JOIN pg_class parent ON parent.oid = link.inhparent
        WHERE link.inhparent = ANY ($1::regclass[])`,
      [PARTITIONED_TABLES],
    );
    return rows.flatMap((row) => {
      const hour = hourOfPartition(row.table, row.name);
      return hour === null ? [] : [{ ...row, hour }];
    });
  }

  /** Takes note that nothing before this hour is kept any more, for all replicas. */
  async raiseFloor(hour: number): Promise<void> {
    await this.pool.query(
      `INSERT INTO record_floor AS present (earliest) VALUES ($1)
       ON CONFLICT (singleton) DO UPDATE SET earliest = greatest(present.earliest, excluded.earliest)`,
      [startOfHour(hour)],
    );
  }

  /** The hour before which nothing is kept, whatever its age; null if there was no need of that yet. */
  async floor(): Promise<number | null> {
    const { rows } = await this.pool.query<{ hour: number }>(
      'SELECT floor(extract(epoch FROM earliest) / 3600)::bigint AS hour FROM record_floor',
    );
    return rows[0]?.hour ?? null;
  }

  /**
   * Drops the partitions that end at or before this hour; answers their names. Only one replica at a time: null if another is at it.
   * What an interrupted run left detached is dropped too.
   */
  async dropBefore(table: PartitionedTable, hour: number): Promise<string[] | null> {
    return this.#alone(async (client) => {
      const old = (await this.#list(client, table)).filter((partition) => partition.hour < hour);
      for (const { name, detachPending } of old) {
        await client.query(
          `ALTER TABLE ${table} DETACH PARTITION ${name} ${detachPending ? 'FINALIZE' : 'CONCURRENTLY'}`,
        );
      }
      const detached = await this.#detached(client, table, hour);
      for (const name of detached) await client.query(`DROP TABLE ${name}`);
      return detached;
    });
  }

  async #detached(client: PoolClient, table: PartitionedTable, beforeHour: number): Promise<string[]> {
    const { rows } = await client.query<{ name: string }>(
      `SELECT relname AS name FROM pg_class
        WHERE relkind = 'r' AND NOT relispartition
          AND relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = $1::regclass)`,
      [table],
    );
    return rows
      .map(({ name }) => name)
      .filter((name) => (hourOfPartition(table, name) ?? Number.POSITIVE_INFINITY) < beforeHour);
  }

  /** Lets the time index know of the blocks written since the last time; without it they are all read by every query. */
  async summarize(table: PartitionedTable, hours: readonly number[]): Promise<void> {
    await this.#alone(async (client) => {
      for (const hour of hours) {
        await client.query(
          `SELECT brin_summarize_new_values(index.indexrelid)
             FROM pg_index index
             JOIN pg_class class ON class.oid = index.indexrelid
             JOIN pg_am method ON method.oid = class.relam AND method.amname = 'brin'
            WHERE index.indrelid = to_regclass($1)`,
          [partitionName(table, hour)],
        );
      }
    });
  }

  /** Deletes what retention no longer keeps of the ledger and of the recorded loss. */
  async deleteLedgerBefore(time: string, lastOfBootBefore: string): Promise<void> {
    await this.#alone(async (client) => {
      // The highest batch of a boot is what gaps are measured from: it outlives the others.
      await client.query(
        `DELETE FROM ingest_batch old
          WHERE received_at < $1 AND (received_at < $2 OR EXISTS (
            SELECT FROM ingest_batch newer
             WHERE newer.agent_id = old.agent_id AND newer.boot_id = old.boot_id AND newer.seq > old.seq))`,
        [time, lastOfBootBefore],
      );
      await client.query('DELETE FROM record_loss WHERE until_at < $1', [time]);
    });
  }

  /** With a lock of the session, because DETACH CONCURRENTLY refuses to run in a transaction. Null if another session holds it. */
  async #alone<T>(work: (client: PoolClient) => Promise<T>): Promise<T | null> {
    const client = await this.pool.connect();
    let failure: Error | undefined;
    try {
      const lock = [LOCK_CLASS, LOCK_OF_RETENTION];
      const { rows } = await client.query<{ held: boolean }>(
        'SELECT pg_try_advisory_lock($1, $2) AS held',
        lock,
      );
      if (!rows[0]?.held) return null;
      // While a detach waits for readers, no partition can be made: rather give up and come back.
      await client.query(`SET statement_timeout = 0; SET lock_timeout = ${DETACH_TIMEOUT_MS}`);
      const result = await work(client);
      await client.query('RESET statement_timeout; RESET lock_timeout');
      await client.query('SELECT pg_advisory_unlock($1, $2)', lock);
      return result;
    } catch (error) {
      failure = error instanceof Error ? error : new Error(String(error));
      throw error;
    } finally {
      // Closing the connection lets go of the lock and of the changed setting.
      client.release(failure);
    }
  }
}
