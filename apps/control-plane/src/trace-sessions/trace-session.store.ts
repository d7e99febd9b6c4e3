import { Injectable } from '@nestjs/common';
import {
  formatDate,
  type Loss,
  NO_LOSS,
  type SessionState,
  type TargetCounts,
  type TraceSession,
  type TraceSessionSpec,
} from '@synscope/api-contract';
import { DataSource, type EntityManager } from 'typeorm';
import { AgentLiveness } from '../agent-liveness/agent-liveness.js';
import { LossSummaryStore } from '../loss-summaries/loss-summary.store.js';
import { chosenAgents } from './chosen-agents.js';
import { hasEnded } from './next-state.js';
import { recordCountsSql, toRecordCounts } from './record-counts.js';
import type { CheckedSpec } from './session-spec.js';
import { readStoredSpec } from './stored-spec.js';

export interface NewSession {
  readonly id: string;
  readonly name: string | null;
  readonly spec: TraceSessionSpec;
  readonly createdBy: string | null;
}

interface SessionRow {
  readonly id: string;
  readonly name: string | null;
  readonly state: SessionState;
  readonly message: string | null;
  readonly spec: unknown;
  readonly createdAt: Date;
  readonly startedAt: Date | null;
  readonly endsAt: Date;
  readonly endedAt: Date | null;
  readonly pending: number;
  readonly running: number;
  readonly done: number;
  readonly failed: number;
  readonly offline: number;
  /** By the number of the probe. */
  readonly records: Readonly<Record<string, number>> | null;
}

export interface MatchedAgent {
  readonly agentId: string;
  readonly hostname: string;
  readonly online: boolean;
  readonly labels: Readonly<Record<string, string>>;
}

/** The rows of sessions as the REST API reads and makes them. */
@Injectable()
export class TraceSessionStore {
  constructor(
    private readonly database: DataSource,
    private readonly liveness: AgentLiveness,
    private readonly losses: LossSummaryStore,
  ) {}

  async insert(manager: EntityManager, session: NewSession): Promise<void> {
    await manager.query(
      `INSERT INTO trace_session (id, name, selector, spec, created_by, ends_at)
       VALUES ($1, $2, $3, $4, $5, now() + make_interval(secs => $6))`,
      [
        session.id,
        session.name,
        session.spec.selector,
        JSON.stringify(session.spec),
        session.createdBy,
        session.spec.durationSeconds,
      ],
    );
  }

  async openCount(manager: EntityManager): Promise<number> {
    const rows: { readonly open: number }[] = await manager.query(
      'SELECT count(*)::int AS open FROM trace_session WHERE ended_at IS NULL',
    );
    return rows[0]?.open ?? 0;
  }

  async find(id: string): Promise<TraceSession | null> {
    const [session] = await this.read('s.id = $2', [id], 1);
    return session ?? null;
  }

  async findAll(ids: readonly string[]): Promise<TraceSession[]> {
    return ids.length === 0 ? [] : this.read('s.id = ANY($2)', [ids], ids.length);
  }

  /** Those that have not ended and whose time is not over within `endingSeconds` either. In the order of their ids. */
  async openAmong(
    manager: EntityManager,
    ids: readonly string[],
    endingSeconds: number,
  ): Promise<readonly string[]> {
    const rows: { readonly id: string }[] = await manager.query(
      `SELECT id FROM trace_session
        WHERE id = ANY($1) AND ended_at IS NULL AND ends_at > clock_timestamp() + make_interval(secs => $2) ORDER BY id`,
      [ids, endingSeconds],
    );
    return rows.map((row) => row.id);
  }

  /** Newest first. */
  async list(
    states: readonly SessionState[] | null,
    afterId: string | null,
    limit: number,
  ): Promise<TraceSession[]> {
    return this.read(
      '($2::text[] IS NULL OR s.state = ANY($2)) AND ($3::uuid IS NULL OR s.id < $3)',
      [states, afterId],
      limit,
    );
  }

  /** Ends an open session on request. How it was before; null without such a session. */
  async stop(
    manager: EntityManager,
    id: string,
  ): Promise<{ readonly open: boolean; readonly state: SessionState } | null> {
    const [before]: { readonly open: boolean; readonly state: SessionState }[] = await manager.query(
      'SELECT ended_at IS NULL AS open, state FROM trace_session WHERE id = $1 FOR NO KEY UPDATE',
      [id],
    );
    if (!before?.open) return before ?? null;
    await manager.query(
      `UPDATE trace_session SET state = 'stopped', ended_at = now(), revision = revision + 1 WHERE id = $1`,
      [id],
    );
    return before;
  }

  /** Agents that a session is meant for, online ones first, and how many there are in all. */
  async matching(
    checked: CheckedSpec,
    limit: number,
  ): Promise<{
    readonly matched: number;
    readonly online: number;
    readonly agents: readonly MatchedAgent[];
  }> {
    const chosen = chosenAgents(checked, 3);
    const rows: (MatchedAgent & { readonly matched: number; readonly onlineCount: number })[] =
      await this.database.query(
        `SELECT *, count(*) OVER ()::int AS matched, (count(*) FILTER (WHERE online) OVER ())::int AS "onlineCount"
         FROM (SELECT id AS "agentId", hostname, labels, ${this.liveness.onlineSql('agent', '$1')} AS online
                 FROM agent WHERE id IN (${chosen.sql})) AS found
        ORDER BY online DESC, hostname, "agentId" LIMIT $2`,
        [this.liveness.offlineAfterSeconds, limit, ...chosen.parameters],
      );
    return { matched: rows[0]?.matched ?? 0, online: rows[0]?.onlineCount ?? 0, agents: rows };
  }

  private async read(
    condition: string,
    parameters: readonly unknown[],
    limit: number,
  ): Promise<TraceSession[]> {
    const rows: SessionRow[] = await this.database.query(
      `SELECT s.id, s.name, s.state, s.message, s.spec, s.created_at AS "createdAt", s.started_at AS "startedAt",
              s.ends_at AS "endsAt", s.ended_at AS "endedAt", tally.*,
              ${recordCountsSql('session_id = s.id')} AS records
         FROM (SELECT * FROM trace_session s WHERE ${condition} ORDER BY s.id DESC LIMIT ${limit}) AS s
         CROSS JOIN LATERAL (
           SELECT (count(*) FILTER (WHERE state = 'pending'))::int AS pending,
                  (count(*) FILTER (WHERE state = 'running'))::int AS running,
                  (count(*) FILTER (WHERE state = 'done'))::int AS done,
                  (count(*) FILTER (WHERE state = 'failed'))::int AS failed,
                  (count(*) FILTER (WHERE state = 'offline'))::int AS offline
             FROM (SELECT ${targetStateSql(this.liveness.onlineSql('agent', '$1'))} AS state
                     FROM session_target t JOIN agent ON agent.id = t.agent_id WHERE t.session_id = s.id) AS target
         ) AS tally
        ORDER BY s.id DESC`,
      [this.liveness.offlineAfterSeconds, ...parameters],
    );
    const losses = await this.losses.ofSessions(rows.map((row) => row.id));
    return rows.map((row) => toTraceSession(row, losses.get(row.id) ?? NO_LOSS));
  }
}

/** The state of a target as the API tells it: what the agent said last, unless it has not ended and is away. */
export function targetStateSql(online: string): string {
  return `CASE WHEN t.ended_at IS NULL AND NOT ${online} THEN 'offline' ELSE t.observed END`;
}

function toTraceSession(row: SessionRow, loss: Loss): TraceSession {
  const { pending, running, done, failed, offline } = row;
  const targets = {
    matched: pending + running + done + failed + offline,
    pending,
    running,
    done,
    failed,
    offline,
  };
  const spec = readStoredSpec(row.spec);
  return {
    id: row.id,
    name: row.name,
    state: row.state,
    message: row.message ?? messageFor(row.state, targets, spec),
    spec,
    createdAt: formatDate(row.createdAt),
    startedAt: row.startedAt && formatDate(row.startedAt),
    endsAt: formatDate(row.endsAt),
    endedAt: row.endedAt && formatDate(row.endedAt),
    targets,
    recordCounts: toRecordCounts(row.records, spec.probes),
    loss,
  };
}

function messageFor(
  state: SessionState,
  targets: TargetCounts,
  { targets: choice }: TraceSessionSpec,
): string | null {
  if (targets.matched === 0 && choice !== null) {
    return 'No agent matched the selector when the session was created, and with `targets` none gets it later.';
  }
  if (targets.matched === 0) {
    return hasEnded(state)
      ? 'No agent matched the selector while the session was open.'
      : 'No agent matches the selector yet. One that joins before the end gets the session.';
  }
  if (!hasEnded(state) && targets.offline === targets.matched) {
    return 'All agents that match are offline. They begin when they are back.';
  }
  return null;
}
