import { Injectable } from '@nestjs/common';
import type { Loss } from '@synscope/api-contract';
import type { Probe } from '@synscope/protocol';
import { DatabasePool } from '../database/database-pool.js';
import { lossCauseName, lossProbeName } from './loss-names.js';

export interface LossScope {
  /** RFC 3339 or anything else that Postgres reads as timestamptz. */
  readonly since: string;
  readonly until: string;
  /** Only of these agents; absent: of all. */
  readonly agentIds?: readonly string[];
  /** Only of this probe, and batches that never came, which could have held records of it; absent: of all. */
  readonly probe?: Probe;
}

/** The newest intervals that an answer lists; its sum covers all. */
const MAXIMUM_INTERVALS = 100;

/** Reads what was lost. Ingest writes it. */
@Injectable()
export class WindowLossStore {
  constructor(private readonly pool: DatabasePool) {}

  /** The loss whose interval touches a window. Loss of one agent, cause and probe within one minute is one interval. */
  async touching({ since, until, agentIds, probe }: LossScope): Promise<Loss> {
    const { rows } = await this.pool.query<LossRow>(
      `WITH touching AS (
         SELECT agent_id, cause, probe, sum(records)::bigint AS records, sum(last_seq - first_seq + 1)::bigint AS batches,
                min(from_at) AS from_at, max(until_at) AS until_at
           FROM record_loss
          WHERE until_at >= $1 AND from_at <= $2 AND ($3::uuid[] IS NULL OR agent_id = ANY ($3))
            AND ($4::smallint IS NULL OR probe IS NULL OR probe = $4)
          GROUP BY agent_id, cause, probe, date_bin('1 minute', until_at, 'epoch'))
       SELECT *, coalesce(sum(records) OVER (), 0)::bigint AS total FROM touching
        ORDER BY until_at DESC, agent_id, cause, probe LIMIT ${MAXIMUM_INTERVALS}`,
      [since, until, agentIds ?? null, probe ?? null],
    );
    return {
      records: rows[0]?.total ?? 0,
      intervals: rows.map((row) => ({
        agentId: row.agent_id,
        cause: lossCauseName(row.cause),
        probe: lossProbeName(row.probe),
        records: row.records,
        batches: row.batches,
        from: row.from_at,
        until: row.until_at,
      })),
    };
  }
}

interface LossRow {
  agent_id: string;
  cause: number;
  probe: number | null;
  records: number | null;
  batches: number | null;
  from_at: string;
  until_at: string;
  total: number;
}
