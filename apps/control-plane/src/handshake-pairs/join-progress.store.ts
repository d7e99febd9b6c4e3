import { Injectable } from '@nestjs/common';
import { DatabasePool } from '../database/database-pool.js';
import { committedBatchesSql, endOfPage, placing } from '../stored-batches/committed-batches.js';
import { readSnapshot } from '../stored-batches/read-snapshot.js';
import { formatSnapshot, parseSnapshot, type Snapshot, snapshotThrough } from '../stored-batches/snapshot.js';
import type { TimeSpan } from './time-spans.js';

/** `observed`: among what was observed at the same time. `arrived`: among what arrived at the same time, whatever the clocks say. */
export type JoinPass = 'observed' | 'arrived';

/** Batches of one agent in one transaction that were observed at about the same time. */
export interface Arrival extends TimeSpan {
  readonly agentId: string;
  readonly rows: number;
  /** By the clock of the control plane, microseconds since the Unix epoch. */
  readonly receivedUs: number;
}

export interface ArrivalPage {
  readonly arrivals: readonly Arrival[];
  /** What has been seen once these have been. */
  readonly end: Snapshot;
  readonly more: boolean;
}

export interface Backlog {
  readonly records: number;
  /** When the first of them was received; null if there are none. */
  readonly sinceUs: number | null;
}

type Database = Pick<DatabasePool, 'query'>;

/** Nothing yet: 3 is the first number that a transaction can have. */
const BEGINNING: Snapshot = { next: 3, running: [] };
const us = (sql: string) => `(extract(epoch FROM ${sql}) * 1000000)::bigint`;
const ARRIVAL_COLUMNS = `agent_id AS "agentId", sum(rows)::bigint AS rows, ${us('max(received_at)')} AS "receivedUs",
  ${us('min(first_observed_at)')} AS "sinceUs", ${us('max(last_observed_at)')} + 1 AS "untilUs"`;
const ARRIVAL_GROUPS = `agent_id, date_bin('10 seconds', first_observed_at, 'epoch'), date_bin('10 seconds', received_at, 'epoch')`;

/** How far the search for pairs has come, by the numbers of the transactions that stored batches. */
@Injectable()
export class JoinProgressStore {
  constructor(private readonly pool: DatabasePool) {}

  /** Whether anything was committed that the pass has not seen. Keeps nobody waiting. */
  async hasWork(pass: JoinPass): Promise<boolean> {
    const seen = (await this.seen(this.pool, pass)) ?? BEGINNING;
    const { parameters, place } = placing();
    const { rows } = await this.pool.query(
      `SELECT FROM ${committedBatchesSql(seen, await readSnapshot(this.pool), place)} LIMIT 1`,
      parameters,
    );
    return rows.length > 0;
  }

  /** Until the end of the transaction nobody else is at it; null if somebody is. */
  lock(database: Database, pass: JoinPass): Promise<Snapshot | null> {
    return this.seen(database, pass, 'FOR UPDATE SKIP LOCKED');
  }

  async advance(database: Database, pass: JoinPass, seen: Snapshot): Promise<void> {
    await database.query('UPDATE handshake_join_progress SET seen = $2, updated_at = now() WHERE pass = $1', [
      pass,
      formatSnapshot(seen),
    ]);
  }

  /** What comes next, whole transactions: about so many records, and at most so many batches. */
  async page(
    database: Database,
    from: Snapshot,
    { records, batches }: { readonly records: number; readonly batches: number },
  ): Promise<ArrivalPage> {
    const to = await readSnapshot(database);
    const { parameters, place } = placing();
    const { rows } = await database.query<Arrival & { storedIn: string; batches: number }>(
      `SELECT stored_in::text AS "storedIn", count(*) AS batches, ${ARRIVAL_COLUMNS}
         FROM (SELECT * FROM ${committedBatchesSql(from, to, place)} ORDER BY stored_in FETCH FIRST ${batches} ROWS WITH TIES) AS page
        GROUP BY stored_in, ${ARRIVAL_GROUPS} ORDER BY stored_in`,
      parameters,
    );
    const stored = rows.map((row) => ({ ...row, storedIn: Number(row.storedIn) }));
    const end = endOfPage(stored, records);
    const last = stored[end - 1];
    const more = end < stored.length || stored.reduce((sum, row) => sum + row.batches, 0) >= batches;
    return {
      arrivals: stored.slice(0, end),
      end: more && last ? snapshotThrough(from, to, last.storedIn) : to,
      more,
    };
  }

  /** Whatever was received from one moment to another. */
  async received(database: Database, { sinceUs, untilUs }: TimeSpan): Promise<Arrival[]> {
    const { rows } = await database.query<Arrival>(
      `SELECT ${ARRIVAL_COLUMNS} FROM ingest_batch
        WHERE rows > 0 AND received_at >= to_timestamp($1::bigint / 1e6) AND received_at < to_timestamp($2::bigint / 1e6)
        GROUP BY ${ARRIVAL_GROUPS}`,
      [sinceUs, untilUs],
    );
    return rows;
  }

  /** What is stored and not looked at. */
  async backlog(pass: JoinPass): Promise<Backlog> {
    const seen = (await this.seen(this.pool, pass)) ?? BEGINNING;
    const { parameters, place } = placing();
    const { rows } = await this.pool.query<Backlog>(
      `SELECT coalesce(sum(rows), 0)::bigint AS records, ${us('min(received_at)')} AS "sinceUs"
         FROM ${committedBatchesSql(seen, await readSnapshot(this.pool), place)}`,
      parameters,
    );
    return rows[0] ?? { records: 0, sinceUs: null };
  }

  /** From the beginning again if the numbers are those of another Postgres, which a backup was restored into. */
  private async seen(database: Database, pass: JoinPass, locking = ''): Promise<Snapshot | null> {
    const { rows } = await database.query<{ seen: string; next: string }>(
      `SELECT seen::text, pg_snapshot_xmax(pg_current_snapshot())::text AS next FROM handshake_join_progress WHERE pass = $1 ${locking}`,
      [pass],
    );
    if (!rows[0]) return null;
    const seen = parseSnapshot(rows[0].seen);
    return seen.next > Number(rows[0].next) ? BEGINNING : seen;
  }
}
