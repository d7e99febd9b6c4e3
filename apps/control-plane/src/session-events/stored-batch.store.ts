import { Injectable } from '@nestjs/common';
import { DatabasePool } from '../database/database-pool.js';
import {
  committedBatchesSql,
  endOfPage,
  type Placing,
  placing,
} from '../stored-batches/committed-batches.js';
import { readSnapshot } from '../stored-batches/read-snapshot.js';
import { type Snapshot, snapshotBefore, snapshotThrough } from '../stored-batches/snapshot.js';

/** How much makes a page at most, besides what is left of its last transaction. */
export interface PageSize {
  readonly records: number;
  readonly batches: number;
}

/** A batch of the ledger that has records. */
export interface StoredBatch {
  readonly agentId: string;
  readonly bootId: string;
  readonly seq: number;
  /** How many records it has, of all sessions. */
  readonly rows: number;
  /** When its records were observed, both ends included. */
  readonly firstObservedAt: string;
  readonly lastObservedAt: string;
}

/** Whole transactions, in the order of their numbers. */
export interface BatchPage {
  readonly batches: readonly StoredBatch[];
  /** What has been seen once the page has been. */
  readonly end: Snapshot;
  /** Whether there is more after it. */
  readonly more: boolean;
}

/** What was committed to the ledger of batches from one snapshot to the next. Batches of the agents that a session was meant for. */
@Injectable()
export class StoredBatchStore {
  constructor(private readonly pool: DatabasePool) {}

  snapshot(): Promise<Snapshot> {
    return readSnapshot(this.pool);
  }

  /** No transaction has this number yet, nor a higher one. */
  async nextTransaction(): Promise<number> {
    const { rows } = await this.pool.query<{ next: string }>(
      'SELECT pg_snapshot_xmax(pg_current_snapshot())::text AS next',
    );
    return Number(rows[0]?.next);
  }

  /** Before anything of the session was stored; null if that is not known any more. */
  async beginOf(sessionId: string): Promise<Snapshot | null> {
    const { rows } = await this.pool.query<{ transaction: string | null }>(
      'SELECT created_in::text AS transaction FROM trace_session WHERE id = $1',
      [sessionId],
    );
    const transaction = rows[0]?.transaction ?? null;
    return transaction === null ? null : snapshotBefore(Number(transaction));
  }

  /** Those of the sessions for which there is something to see. */
  async sessionsWithBatches(
    from: Snapshot,
    to: Snapshot,
    sessionIds: readonly string[],
  ): Promise<readonly string[]> {
    const { parameters, place } = placing();
    // The first agent of a session is enough. A plain EXISTS would be joined to all of them.
    const { rows } = await this.pool.query<{ sessionId: string }>(
      `WITH stored AS MATERIALIZED (SELECT DISTINCT agent_id FROM ${committedBatchesSql(from, to, place)})
       SELECT watched.id AS "sessionId" FROM unnest(${place(sessionIds)}::uuid[]) AS watched (id)
        CROSS JOIN LATERAL (
          SELECT FROM stored JOIN session_target USING (agent_id) WHERE session_id = watched.id LIMIT 1) AS first`,
      parameters,
    );
    return rows.map(({ sessionId }) => sessionId);
  }

  async page(sessionId: string, from: Snapshot, to: Snapshot, size: PageSize): Promise<BatchPage> {
    const rows = await this.read(sessionId, from, to, `FETCH FIRST ${size.batches} ROWS WITH TIES`);
    const end = endOfPage(rows, size.records);
    const last = rows[end - 1];
    const more = rows.length >= size.batches || end < rows.length;
    return {
      batches: rows.slice(0, end),
      end: more && last ? snapshotThrough(from, to, last.storedIn) : to,
      more,
    };
  }

  /** The same for a page whose end is known. */
  async pageUntil(sessionId: string, from: Snapshot, end: Snapshot): Promise<BatchPage> {
    return { batches: await this.read(sessionId, from, end, ''), end, more: true };
  }

  /** Where the newest transactions with at least `kept` records begin if more than `backlog` wait; null if not. Records of other sessions count too. */
  async tooFarBehind(
    sessionId: string,
    from: Snapshot,
    to: Snapshot,
    { backlog, kept }: { readonly backlog: number; readonly kept: number },
  ): Promise<Snapshot | null> {
    const { parameters, place } = placing();
    const { rows } = await this.pool.query<{ transaction: string }>(
      `SELECT stored_in::text AS transaction
         FROM (SELECT stored_in, sum(own) OVER (ORDER BY stored_in DESC) - own AS newer, sum(own) OVER () AS total
                 FROM (SELECT stored_in, sum(rows) AS own FROM ${committedBatchesSql(from, to, place)}
                        WHERE ${ofSessionSql(sessionId, place)} GROUP BY stored_in) AS transactions) AS waiting
        WHERE total > ${place(backlog)} AND newer >= ${place(kept)} ORDER BY stored_in DESC LIMIT 1`,
      parameters,
    );
    return rows[0] ? snapshotThrough(from, to, Number(rows[0].transaction)) : null;
  }

  private async read(
    sessionId: string,
    from: Snapshot,
    to: Snapshot,
    limit: string,
  ): Promise<(StoredBatch & { storedIn: number })[]> {
    const { parameters, place } = placing();
    const { rows } = await this.pool.query<StoredBatch & { storedIn: string }>(
      `SELECT stored_in::text AS "storedIn", agent_id AS "agentId", boot_id AS "bootId", seq, rows,
              first_observed_at AS "firstObservedAt", last_observed_at AS "lastObservedAt"
         FROM ${committedBatchesSql(from, to, place)} WHERE ${ofSessionSql(sessionId, place)} ORDER BY stored_in ${limit}`,
      parameters,
    );
    return rows.map((row) => ({ ...row, storedIn: Number(row.storedIn) }));
  }
}

function ofSessionSql(sessionId: string, place: Placing['place']): string {
  return `agent_id IN (SELECT agent_id FROM session_target WHERE session_id = ${place(sessionId)})`;
}
