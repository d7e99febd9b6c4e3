import { Injectable } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import { AgentLiveness } from '../agent-liveness/agent-liveness.js';
import { Configuration } from '../config/configuration.js';
import type { OpenSession, TargetTally } from './next-state.js';

export interface OpenSessionTally {
  readonly id: string;
  readonly session: OpenSession;
  readonly tally: TargetTally;
}

/** What moves sessions from one state to the next. */
@Injectable()
export class SessionProgressStore {
  constructor(
    private readonly database: DataSource,
    private readonly liveness: AgentLiveness,
    private readonly configuration: Configuration,
  ) {}

  async openSessionIds(): Promise<readonly string[]> {
    const rows: { id: string }[] = await this.database.query(
      'SELECT id FROM trace_session WHERE ended_at IS NULL',
    );
    return rows.map((row) => row.id);
  }

  /** How long until the next session's time is over, in milliseconds by the database's clock; null if none is open. */
  async nextDueMs(): Promise<number | null> {
    const rows: { dueMs: string | null }[] = await this.database.query(
      `SELECT extract(epoch FROM min(ends_at) - clock_timestamp()) * 1000 AS "dueMs"
         FROM trace_session WHERE ended_at IS NULL AND ends_at > clock_timestamp()`,
    );
    const dueMs = rows[0]?.dueMs ?? null;
    return dueMs === null ? null : Number(dueMs);
  }

  /** Locks those of the sessions that are open. In the order of their ids, so that replicas do not wait for each other in a circle. */
  async lockOpen(manager: EntityManager, ids: readonly string[]): Promise<readonly OpenSessionTally[]> {
    await manager.query(
      'SELECT 1 FROM trace_session WHERE id = ANY($1) AND ended_at IS NULL ORDER BY id FOR NO KEY UPDATE',
      [ids],
    );
    const rows: (TargetTally & { id: string; state: OpenSession['state']; overdueMs: string })[] =
      await manager.query(
        `SELECT s.id, s.state, extract(epoch FROM clock_timestamp() - s.ends_at) * 1000 AS "overdueMs",
              count(t.agent_id)::int AS matched,
              (count(*) FILTER (WHERE t.observed = 'done'))::int AS done,
              (count(*) FILTER (WHERE t.observed = 'failed'))::int AS failed,
              count(t.started_at)::int AS started,
              (count(*) FILTER (WHERE t.observed = 'running' AND ${this.liveness.onlineSql('agent', '$2')}))::int AS "runningOnline"
         FROM trace_session s
         LEFT JOIN session_target t ON t.session_id = s.id
         LEFT JOIN agent ON agent.id = t.agent_id
        WHERE s.id = ANY($1) AND s.ended_at IS NULL GROUP BY s.id ORDER BY s.id`,
        [ids, this.liveness.offlineAfterSeconds],
      );
    return rows.map(({ id, state, overdueMs, ...tally }) => ({
      id,
      session: { state, overdueMs: Number(overdueMs) },
      tally,
    }));
  }

  async begin(manager: EntityManager, id: string): Promise<void> {
    await manager.query(
      `UPDATE trace_session SET state = 'running', revision = revision + 1,
              started_at = (SELECT min(started_at) FROM session_target WHERE session_id = $1)
        WHERE id = $1`,
      [id],
    );
  }

  async end(manager: EntityManager, id: string, state: 'completed' | 'failed'): Promise<void> {
    await manager.query(
      `UPDATE trace_session SET state = $2, ended_at = now(), revision = revision + 1,
              started_at = coalesce(started_at, (SELECT min(started_at) FROM session_target WHERE session_id = $1)),
              message = CASE WHEN $2 = 'failed' THEN (
                SELECT 'Every agent that was asked failed, most often with: ' || mode() WITHIN GROUP (ORDER BY coalesce(error, 'no reason given'))
                  FROM session_target WHERE session_id = $1 AND observed = 'failed') END
        WHERE id = $1`,
      [id, state],
    );
  }

  /** Targets of ended sessions whose agent is away and whose lease is over by now: it has ended them by itself. */
  async endAbandonedTargets(): Promise<void> {
    await this.database.query(
      `WITH abandoned AS (
         SELECT t.session_id, t.agent_id FROM session_target t
           JOIN trace_session s ON s.id = t.session_id JOIN agent ON agent.id = t.agent_id
          WHERE t.ended_at IS NULL AND t.desired = 'ended'
            AND s.ended_at < now() - make_interval(secs => $2) AND NOT ${this.liveness.onlineSql('agent', '$1')}
          ORDER BY t.session_id, t.agent_id FOR NO KEY UPDATE OF t)
       UPDATE session_target t SET observed = 'done', ended_at = now(), error = 'the agent was away when the session ended'
         FROM abandoned a
        WHERE t.session_id = a.session_id AND t.agent_id = a.agent_id AND t.ended_at IS NULL AND t.desired = 'ended'`,
      [this.liveness.offlineAfterSeconds, this.configuration.agentLeaseSeconds],
    );
  }
}
