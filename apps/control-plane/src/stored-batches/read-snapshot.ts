import type { DatabasePool } from '../database/database-pool.js';
import { parseSnapshot, type Snapshot } from './snapshot.js';

/**
 * What is committed now. Up to the last batch that is there to be seen, not to the last transaction: after a crash Postgres gives numbers
 * again that left nothing in its log, but none below one that was committed.
 */
export async function readSnapshot(database: Pick<DatabasePool, 'query'>): Promise<Snapshot> {
  const { rows } = await database.query<{ snapshot: string; last: string | null }>(
    `SELECT pg_current_snapshot()::text AS snapshot,
            (SELECT stored_in FROM ingest_batch WHERE stored_in IS NOT NULL ORDER BY stored_in DESC LIMIT 1)::text AS last`,
  );
  const { next, running } = parseSnapshot(rows[0]?.snapshot ?? '');
  const last = rows[0]?.last ?? null;
  const end = last === null ? next : Number(last) + 1;
  return { next: end, running: running.filter((number) => number < end) };
}
