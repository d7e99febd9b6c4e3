import { Injectable } from '@nestjs/common';
import {
  formatDate,
  type SessionTarget,
  type SessionTargetListQuery,
  type TraceSession,
} from '@synscope/api-contract';
import { DataSource } from 'typeorm';
import { z } from 'zod';
import { AgentLiveness } from '../agent-liveness/agent-liveness.js';
import { notFound } from '../errors/api-error.js';
import { KeysetList } from '../lists/keyset-list.js';
import { recordCountsSql, toRecordCounts } from './record-counts.js';
import { TraceSessionStore, targetStateSql } from './trace-session.store.js';

interface TargetRow extends Omit<SessionTarget, 'startedAt' | 'endedAt' | 'recordCount' | 'recordCounts'> {
  /** By the number of the probe. */
  readonly records: Readonly<Record<string, number>> | null;
  readonly startedAt: Date | null;
  readonly endedAt: Date | null;
}

/** The agents of one session, in the order of their ids. */
@Injectable()
export class SessionTargetList {
  constructor(
    private readonly database: DataSource,
    private readonly liveness: AgentLiveness,
    private readonly sessions: TraceSessionStore,
  ) {}

  async of(sessionId: string, query: SessionTargetListQuery): Promise<KeysetList<SessionTarget>> {
    const session = await this.sessions.find(sessionId);
    if (session === null) throw notFound('trace session', sessionId);
    return new KeysetList({
      name: `trace-sessions/${sessionId}/targets`,
      query,
      position: z.tuple([z.guid()]).readonly(),
      fetch: async ({ after, limit }) => {
        const targets = await this.read(session, query.state ?? null, after?.[0] ?? null, limit);
        return targets.map((item) => ({ item, position: [item.agentId] as const }));
      },
    });
  }

  private async read(
    session: TraceSession,
    states: SessionTargetListQuery['state'] | null,
    afterAgentId: string | null,
    limit: number,
  ): Promise<SessionTarget[]> {
    const rows: TargetRow[] = await this.database.query(
      `SELECT * FROM (
         SELECT t.agent_id AS "agentId", agent.hostname,
                ${targetStateSql(this.liveness.onlineSql('agent', '$1'))} AS state, t.hooks, t.error,
                ${recordCountsSql('session_id = t.session_id AND agent_id = t.agent_id')} AS records,
                t.started_at AS "startedAt", t.ended_at AS "endedAt"
           FROM session_target t JOIN agent ON agent.id = t.agent_id
          WHERE t.session_id = $2 AND ($4::uuid IS NULL OR t.agent_id > $4)) AS target
        WHERE $3::text[] IS NULL OR state = ANY($3) ORDER BY "agentId" LIMIT $5`,
      [this.liveness.offlineAfterSeconds, session.id, states, afterAgentId, limit],
    );
    return rows.map(({ records, ...row }) => {
      const recordCounts = toRecordCounts(records, session.spec.probes);
      return {
        ...row,
        recordCount: Object.values(recordCounts).reduce((sum, count) => sum + count, 0),
        recordCounts,
        startedAt: row.startedAt && formatDate(row.startedAt),
        endedAt: row.endedAt && formatDate(row.endedAt),
      };
    });
  }
}
