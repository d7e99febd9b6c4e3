import { Injectable } from '@nestjs/common';
import { DatabasePool } from '../database/database-pool.js';

/** What the filters of records name, and where to look for it. */
@Injectable()
export class RecordScopeStore {
  constructor(private readonly pool: DatabasePool) {}

  async agentIdsOf(hostname: string): Promise<string[]> {
    const { rows } = await this.pool.query<{ id: string }>('SELECT id FROM agent WHERE hostname = $1', [
      hostname,
    ]);
    return rows.map(({ id }) => id);
  }

  /**
   * When records of a session can have been observed: while it was open, with an hour on either side for hosts whose clock is off. Null if the
   * session is not known.
   */
  async lifeOfSession(sessionId: string): Promise<{ readonly from: string; readonly until: string } | null> {
    const { rows } = await this.pool.query<{ from: string; until: string }>(
      `SELECT created_at::timestamptz - interval '1 hour' AS from,
              coalesce(ended_at, ends_at)::timestamptz + interval '1 hour' AS until
         FROM trace_session WHERE id = $1`,
      [sessionId],
    );
    return rows[0] ?? null;
  }
}
