import { Injectable } from '@nestjs/common';
import { formatDate, type SessionState } from '@synscope/api-contract';
import type { EntityManager } from 'typeorm';
import { WebhookEvents } from '../webhook-events/webhook-events.js';
import { readStoredSpec } from './stored-spec.js';

interface EndedRow {
  readonly id: string;
  readonly name: string | null;
  readonly state: SessionState;
  readonly message: string | null;
  readonly spec: unknown;
  readonly createdAt: Date;
  readonly startedAt: Date | null;
  readonly endedAt: Date;
  readonly matched: number;
  readonly failed: number;
}

/** Tells bots that a session has ended. */
@Injectable()
export class SessionEnd {
  constructor(private readonly events: WebhookEvents) {}

  /** Call it in the transaction that ends the session, once it is written. */
  async publish(manager: EntityManager, sessionId: string): Promise<void> {
    const rows: EndedRow[] = await manager.query(
      `SELECT id, name, state, message, spec, created_at AS "createdAt", started_at AS "startedAt", ended_at AS "endedAt",
              (SELECT count(*)::int FROM session_target WHERE session_id = $1) AS matched,
              (SELECT count(*)::int FROM session_target WHERE session_id = $1 AND observed = 'failed') AS failed
         FROM trace_session WHERE id = $1`,
      [sessionId],
    );
    await this.events.publish(
      manager,
      ...rows.map((row) => ({ type: 'session.completed' as const, data: toData(row) })),
    );
  }
}

/** What agents still have to hand over is not known yet, so there are no counts of records. */
function toData({ id, name, state, message, spec, matched, failed, ...row }: EndedRow) {
  return {
    id,
    name,
    state,
    message,
    spec: readStoredSpec(spec),
    createdAt: formatDate(row.createdAt),
    startedAt: row.startedAt && formatDate(row.startedAt),
    endedAt: formatDate(row.endedAt),
    targets: { matched, failed },
  };
}
