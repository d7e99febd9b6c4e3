import { Injectable } from '@nestjs/common';
import { formatDate, type Loss, type LossInterval, NO_LOSS } from '@synscope/api-contract';
import { LossCause } from '@synscope/protocol';
import { DataSource } from 'typeorm';

interface LossRow {
  readonly subject: string;
  readonly agentId: string;
  readonly cause: number;
  readonly records: string | null;
  readonly batches: string | null;
  readonly from: Date;
  readonly until: Date;
}

/** Sums of counted loss, one interval per agent and cause, so that an answer stays small however long the loss went on. */
@Injectable()
export class LossSummaryStore {
  constructor(private readonly database: DataSource) {}

  /** All that is known of each agent. An agent without loss is absent. */
  async ofAgents(agentIds: readonly string[]): Promise<ReadonlyMap<string, Loss>> {
    if (agentIds.length === 0) return new Map();
    const rows: LossRow[] = await this.database.query(
      `SELECT agent_id AS subject, agent_id AS "agentId", cause, sum(records) AS records,
              sum(last_seq - first_seq + 1) AS batches,
              min(from_at) AS "from", max(until_at) AS "until"
         FROM record_loss WHERE agent_id = ANY($1) GROUP BY agent_id, cause ORDER BY agent_id, cause`,
      [agentIds],
    );
    return collect(rows);
  }

  /** What the agents of each session lost while it was open. A session without loss is absent. */
  async ofSessions(sessionIds: readonly string[]): Promise<ReadonlyMap<string, Loss>> {
    if (sessionIds.length === 0) return new Map();
    const rows: LossRow[] = await this.database.query(
      `SELECT s.id AS subject, l.agent_id AS "agentId", l.cause, sum(l.records) AS records,
              sum(l.last_seq - l.first_seq + 1) AS batches,
              min(l.from_at) AS "from", max(l.until_at) AS "until"
         FROM trace_session s
         JOIN session_target t ON t.session_id = s.id AND t.started_at IS NOT NULL
         JOIN record_loss l ON l.agent_id = t.agent_id
          AND l.until_at >= t.started_at AND l.from_at <= coalesce(t.ended_at, s.ended_at, now())
        WHERE s.id = ANY($1) GROUP BY s.id, l.agent_id, l.cause ORDER BY s.id, l.agent_id, l.cause`,
      [sessionIds],
    );
    return collect(rows);
  }
}

function collect(rows: readonly LossRow[]): ReadonlyMap<string, Loss> {
  const bySubject = Map.groupBy(rows, (row) => row.subject);
  return new Map([...bySubject].map(([subject, found]) => [subject, toLoss(found)]));
}

/** An answer names this many intervals at most; the sum is always whole. */
const MAX_INTERVALS = 100;

function toLoss(rows: readonly LossRow[]): Loss {
  const intervals = rows.map(
    (row): LossInterval => ({
      agentId: row.agentId,
      cause: (LossCause[row.cause] ?? 'unspecified').toLowerCase(),
      records: row.records === null ? null : Number(row.records),
      batches: row.batches === null ? null : Number(row.batches),
      from: formatDate(row.from),
      until: formatDate(row.until),
    }),
  );
  return {
    ...NO_LOSS,
    records: intervals.reduce((sum, interval) => sum + (interval.records ?? 0), 0),
    intervals: intervals
      .sort((left, right) => (right.records ?? 0) - (left.records ?? 0))
      .slice(0, MAX_INTERVALS),
  };
}
