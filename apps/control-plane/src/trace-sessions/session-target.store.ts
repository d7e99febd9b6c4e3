import { Injectable } from '@nestjs/common';
import type { TraceSessionSpec } from '@synscope/api-contract';
import { DataSource, type EntityManager } from 'typeorm';
import { chosenAgents } from './chosen-agents.js';
import type { CheckedSpec } from './session-spec.js';
import { readStoredSpec } from './stored-spec.js';
import { SESSION_SLOTS } from './trace-session.errors.js';

/** Any constants that no other advisory lock uses. */
const MATCHING_LOCK = 79_667_376;

export type ObservedState = 'pending' | 'running' | 'done' | 'failed';

/** What an agent says about a session that it holds or held. */
export interface ReportedStatus {
  readonly sessionId: string;
  readonly state: ObservedState;
  readonly error: string | null;
  readonly hooks: readonly string[];
  /** Records that the agent's present process has handed over for it. No probe twice. */
  readonly recordCounts: readonly ProbeRecordCount[];
}

/** What one agent says of its sessions, no session twice. */
export interface AgentStatuses {
  readonly agentId: string;
  readonly statuses: readonly ReportedStatus[];
}

export interface ProbeRecordCount {
  /** As the protocol numbers them; one that this version does not know is counted too. */
  readonly probe: number;
  readonly records: number;
}

/** An open session as one agent stands to it. `target` is null if the agent has never matched. */
export interface OpenSessionForAgent {
  readonly sessionId: string;
  readonly selector: string;
  /** Its agents were chosen when it was created. */
  readonly closed: boolean;
  readonly target: { readonly desired: 'running' | 'ended'; readonly ended: boolean } | null;
}

export interface DesiredPair {
  readonly agentId: string;
  readonly sessionId: string;
}

export interface StoredSession {
  readonly id: string;
  readonly spec: TraceSessionSpec;
  readonly endsAt: Date;
}

/** What became of a status. */
export interface StatusOutcome {
  readonly agentId: string;
  readonly sessionId: string;
  /** Whether the target's state is another one now, which may change the session's. */
  readonly changed: boolean;
}

/** Locks the targets of a session that have not ended, in the order in which statuses of several agents lock them too. */
const HELD_TARGETS = `SELECT agent_id FROM session_target WHERE session_id = $1 AND ended_at IS NULL
                       ORDER BY agent_id FOR NO KEY UPDATE`;

/** One row per session and agent: what the agent should be doing, and what it says that it does. */
@Injectable()
export class SessionTargetStore {
  constructor(private readonly database: DataSource) {}

  /**
   * While labels of agents are matched with sessions nobody may create a session, and the other way round: otherwise each could miss what
   * the other has not committed yet, and the agent would never get the session. Held until the end of the transaction.
   */
  async lockMatching(manager: EntityManager, mode: 'agent' | 'session'): Promise<void> {
    const lock = mode === 'agent' ? 'pg_advisory_xact_lock_shared' : 'pg_advisory_xact_lock';
    await manager.query(`SELECT ${lock}($1)`, [MATCHING_LOCK]);
  }

  /** In the order of sessions, as all who lock targets of several sessions do. */
  async lockTargetsOf(manager: EntityManager, agentId: string): Promise<void> {
    await manager.query(
      'SELECT 1 FROM session_target WHERE agent_id = $1 AND ended_at IS NULL ORDER BY session_id FOR NO KEY UPDATE',
      [agentId],
    );
  }

  /** Makes a target of every agent that it is meant for. How many they are. */
  async insertChosen(manager: EntityManager, sessionId: string, checked: CheckedSpec): Promise<number> {
    const chosen = chosenAgents(checked, 2);
    const rows: unknown[] = await manager.query(
      `INSERT INTO session_target (session_id, agent_id)
       SELECT $1, chosen.id FROM (${chosen.sql}) AS chosen RETURNING agent_id`,
      [sessionId, ...chosen.parameters],
    );
    return rows.length;
  }

  /** Agents that it is meant for and that hold as many sessions as they can. */
  async withoutSlot(
    manager: EntityManager,
    checked: CheckedSpec,
  ): Promise<readonly { readonly hostname: string }[]> {
    const chosen = chosenAgents(checked, 2);
    return manager.query(
      `SELECT agent.hostname FROM agent JOIN (${chosen.sql}) AS chosen ON chosen.id = agent.id
         JOIN session_target held ON held.agent_id = agent.id AND held.ended_at IS NULL AND held.desired = 'running'
        GROUP BY agent.id HAVING count(*) >= $1 ORDER BY agent.hostname`,
      [SESSION_SLOTS, ...chosen.parameters],
    );
  }

  async openSessionsFor(manager: EntityManager, agentId: string): Promise<readonly OpenSessionForAgent[]> {
    const rows: {
      sessionId: string;
      selector: string;
      closed: boolean;
      desired: 'running' | 'ended' | null;
      ended: boolean;
    }[] = await manager.query(
      `SELECT s.id AS "sessionId", s.selector, coalesce(s.spec->'targets', 'null') <> 'null' AS closed, t.desired, t.ended_at IS NOT NULL AS ended
           FROM trace_session s LEFT JOIN session_target t ON t.session_id = s.id AND t.agent_id = $1
          WHERE s.ended_at IS NULL ORDER BY s.created_at, s.id`,
      [agentId],
    );
    return rows.map(({ sessionId, selector, closed, desired, ended }) => ({
      sessionId,
      selector,
      closed,
      target: desired === null ? null : { desired, ended },
    }));
  }

  /** Adds a late joiner; without a slot left it has failed from the start. */
  async join(manager: EntityManager, agentId: string, sessionId: string): Promise<void> {
    await manager.query(
      `WITH held AS (SELECT count(*) >= $3 AS full FROM session_target
                      WHERE agent_id = $1 AND ended_at IS NULL AND desired = 'running')
       INSERT INTO session_target (session_id, agent_id, observed, error, ended_at)
       SELECT $2, $1, CASE WHEN held.full THEN 'failed' ELSE 'pending' END,
              CASE WHEN held.full THEN 'the agent runs as many sessions as it can (' || $3 || ')' END,
              CASE WHEN held.full THEN now() END
         FROM held ON CONFLICT DO NOTHING`,
      [agentId, sessionId, SESSION_SLOTS],
    );
  }

  async setDesired(
    manager: EntityManager,
    agentId: string,
    sessionIds: readonly string[],
    desired: 'running' | 'ended',
  ): Promise<void> {
    await manager.query(
      'UPDATE session_target SET desired = $3 WHERE agent_id = $1 AND session_id = ANY($2) AND ended_at IS NULL',
      [agentId, sessionIds, desired],
    );
  }

  /**
   * Takes in what agents say, no agent twice, in one statement. A target that has ended stays ended; only its count may still rise. Targets
   * are locked by session, then by agent, as whoever locks several of them does.
   */
  async applyStatuses(
    manager: EntityManager,
    reports: readonly AgentStatuses[],
  ): Promise<readonly StatusOutcome[]> {
    const reported = reports.flatMap(({ agentId, statuses }) =>
      statuses.map((status) => ({ agentId, ...status })),
    );
    if (reported.length === 0) return [];
    const [rows] = (await manager.query(
      `WITH reported AS (
         SELECT * FROM jsonb_to_recordset($1::jsonb)
           AS r ("agentId" uuid, "sessionId" uuid, state text, error text, hooks jsonb, "recordCounts" jsonb)),
       before AS (
         SELECT t.session_id, t.agent_id, t.observed, t.ended_at
           FROM session_target t JOIN reported r ON r."sessionId" = t.session_id AND r."agentId" = t.agent_id
          ORDER BY t.session_id, t.agent_id FOR NO KEY UPDATE OF t),
       counted AS (
         INSERT INTO session_target_records AS c (session_id, agent_id, probe, record_count)
         SELECT b.session_id, b.agent_id, n.probe, n.records
           FROM before b JOIN reported r ON r."sessionId" = b.session_id AND r."agentId" = b.agent_id
           CROSS JOIN LATERAL jsonb_to_recordset(r."recordCounts") AS n (probe smallint, records bigint)
          WHERE n.records > 0
         ON CONFLICT (session_id, agent_id, probe) DO UPDATE SET record_count = excluded.record_count
          WHERE c.record_count < excluded.record_count)
       UPDATE session_target t
          SET observed = CASE WHEN b.ended_at IS NULL THEN r.state ELSE t.observed END,
              error = CASE WHEN b.ended_at IS NULL THEN r.error ELSE t.error END,
              hooks = CASE WHEN b.ended_at IS NULL AND r.hooks <> '[]' THEN r.hooks ELSE t.hooks END,
              started_at = CASE WHEN r.state IN ('running', 'done') THEN coalesce(t.started_at, now()) ELSE t.started_at END,
              ended_at = CASE WHEN b.ended_at IS NULL AND r.state IN ('done', 'failed') THEN now() ELSE t.ended_at END
         FROM before b JOIN reported r ON r."sessionId" = b.session_id AND r."agentId" = b.agent_id
        WHERE t.agent_id = b.agent_id AND t.session_id = b.session_id
       RETURNING t.agent_id AS "agentId", t.session_id AS "sessionId", b.ended_at IS NULL AND b.observed <> t.observed AS changed`,
      [JSON.stringify(reported)],
    )) as [StatusOutcome[], number];
    return rows;
  }

  /** A new process on the host: its counts begin at zero, and what failed in the old one gets another chance. */
  async beginBoot(manager: EntityManager, agentId: string): Promise<void> {
    await manager.query(
      `WITH begun AS (
         UPDATE session_target t SET observed = 'pending', error = NULL, ended_at = NULL
           FROM trace_session s
          WHERE s.id = t.session_id AND s.ended_at IS NULL AND t.agent_id = $1 AND t.desired = 'running' AND t.observed <> 'done'
         RETURNING t.session_id)
       UPDATE session_target_records c SET earlier_record_count = c.earlier_record_count + c.record_count, record_count = 0
         FROM begun WHERE c.session_id = begun.session_id AND c.agent_id = $1`,
      [agentId],
    );
  }

  /** What the agent does not hold although the rows say so: it is to begin (again), or it has ended while nobody listened. */
  async reconcileAbsent(
    manager: EntityManager,
    agentId: string,
    heldSessionIds: readonly string[],
  ): Promise<readonly string[]> {
    const [rows] = (await manager.query(
      `UPDATE session_target SET
              observed = CASE WHEN desired = 'running' THEN 'pending' ELSE 'done' END,
              ended_at = CASE WHEN desired = 'running' THEN NULL ELSE now() END
        WHERE agent_id = $1 AND ended_at IS NULL AND session_id <> ALL($2)
          AND (desired = 'ended' OR observed = 'running')
       RETURNING session_id AS "sessionId"`,
      [agentId, heldSessionIds],
    )) as [{ sessionId: string }[], number];
    return rows.map((row) => row.sessionId);
  }

  async failAll(manager: EntityManager, agentId: string, error: string): Promise<readonly string[]> {
    const [rows] = (await manager.query(
      `UPDATE session_target SET desired = 'ended', observed = 'failed', error = $2, ended_at = now()
        WHERE agent_id = $1 AND ended_at IS NULL RETURNING session_id AS "sessionId"`,
      [agentId, error],
    )) as [{ sessionId: string }[], number];
    return rows.map((row) => row.sessionId);
  }

  /** Its time is over: agents whose clock is behind are told to end it. Whether there were any to tell. */
  async callBack(manager: EntityManager, id: string): Promise<boolean> {
    const [, affected] = (await manager.query(
      `WITH held AS (${HELD_TARGETS})
       UPDATE session_target t SET desired = 'ended' FROM held
        WHERE t.session_id = $1 AND t.agent_id = held.agent_id AND t.ended_at IS NULL AND t.desired = 'running'`,
      [id],
    )) as [unknown, number];
    return affected > 0;
  }

  /** Nobody needs to run it any more; who has not begun is done with it. */
  async release(manager: EntityManager, id: string): Promise<void> {
    await manager.query(
      `WITH held AS (${HELD_TARGETS})
       UPDATE session_target t SET desired = 'ended',
              observed = CASE WHEN observed = 'pending' THEN 'done' ELSE observed END,
              ended_at = CASE WHEN observed = 'pending' THEN now() ELSE ended_at END
         FROM held WHERE t.session_id = $1 AND t.agent_id = held.agent_id AND t.ended_at IS NULL`,
      [id],
    );
  }

  /** The number of this answer: taken before its rows are read, so that a later answer to the same agent never has older rows. */
  async nextRevision(): Promise<bigint> {
    const rows: { revision: string }[] = await this.database.query(
      `SELECT nextval('desired_sessions_revision') AS revision`,
    );
    return BigInt(rows[0]?.revision ?? 0);
  }

  /** Which sessions these agents should be running, oldest first. */
  async desiredOf(agentIds: readonly string[]): Promise<readonly DesiredPair[]> {
    return this.database.query(
      `SELECT t.agent_id AS "agentId", s.id AS "sessionId"
         FROM session_target t JOIN trace_session s ON s.id = t.session_id
        WHERE t.agent_id = ANY($1) AND t.ended_at IS NULL AND t.desired = 'running' AND s.ended_at IS NULL
        ORDER BY s.created_at, s.id`,
      [agentIds],
    );
  }

  /** Each once: a fleet runs few sessions on many agents. */
  async sessions(ids: readonly string[]): Promise<readonly StoredSession[]> {
    if (ids.length === 0) return [];
    const rows: (Omit<StoredSession, 'spec'> & { spec: unknown })[] = await this.database.query(
      'SELECT id, spec, ends_at AS "endsAt" FROM trace_session WHERE id = ANY($1)',
      [ids],
    );
    return rows.map((row) => ({ ...row, spec: readStoredSpec(row.spec) }));
  }

  async agentsOf(sessionId: string): Promise<readonly string[]> {
    const rows: { agentId: string }[] = await this.database.query(
      'SELECT agent_id AS "agentId" FROM session_target WHERE session_id = $1',
      [sessionId],
    );
    return rows.map((row) => row.agentId);
  }
}
