import { Injectable } from '@nestjs/common';
import { formatDate, type Loss, type LossInterval, NO_LOSS } from '@synscope/api-contract';
import { Probe } from '@synscope/protocol';
import { DataSource } from 'typeorm';
import { lossCauseName, lossProbeName } from '../record-storage/loss-names.js';

interface LossRow {
  readonly subject: string;
  readonly agentId: string;
  readonly cause: number;
  readonly probe: number | null;
  readonly records: string | null;
  readonly batches: string | null;
  readonly from: Date;
  readonly until: Date;
}

/** As sessions call their probes, from number 1 on. */
const PROBE_NAMES = [Probe.TCP_HANDSHAKE, Probe.DNS, Probe.LISTENER, Probe.NAME_LOOKUP].map(lossProbeName);

/** Sums of counted loss, one interval per agent, cause and probe, so that an answer stays small however long the loss went on. */
@Injectable()
export class LossSummaryStore {
  constructor(private readonly database: DataSource) {}

  /** All that is known of each agent. An agent without loss is absent. */
  async ofAgents(agentIds: readonly string[]): Promise<ReadonlyMap<string, Loss>> {
    if (agentIds.length === 0) return new Map();
    const rows: LossRow[] = await this.database.query(
      `SELECT agent_id AS subject, agent_id AS "agentId", cause, probe, sum(records) AS records,
              sum(last_seq - first_seq + 1) AS batches,
              min(from_at) AS "from", max(until_at) AS "until"
         FROM record_loss WHERE agent_id = ANY($1) GROUP BY agent_id, cause, probe ORDER BY agent_id, cause, probe`,
      [agentIds],
    );
    return collect(rows);
  }

  /** What the agents of each session lost of its probes' records while it was open. A session without loss is absent. */
  async ofSessions(sessionIds: readonly string[]): Promise<ReadonlyMap<string, Loss>> {
    if (sessionIds.length === 0) return new Map();
    const rows: LossRow[] = await this.database.query(
      `SELECT s.id AS subject, l.agent_id AS "agentId", l.cause, l.probe, sum(l.records) AS records,
              sum(l.last_seq - l.first_seq + 1) AS batches,
              min(l.from_at) AS "from", max(l.until_at) AS "until"
         FROM trace_session s
         JOIN session_target t ON t.session_id = s.id AND t.started_at IS NOT NULL
         JOIN record_loss l ON l.agent_id = t.agent_id
          AND l.until_at >= t.started_at AND l.from_at <= coalesce(t.ended_at, s.ended_at, now())
          AND (l.probe IS NULL OR s.spec->'probes' ? ($2::text[])[l.probe])
        WHERE s.id = ANY($1) GROUP BY s.id, l.agent_id, l.cause, l.probe ORDER BY s.id, l.agent_id, l.cause, l.probe`,
      [sessionIds, PROBE_NAMES],
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
      cause: lossCauseName(row.cause),
      probe: lossProbeName(row.probe),
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
