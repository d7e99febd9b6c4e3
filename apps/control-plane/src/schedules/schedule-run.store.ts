import { Injectable } from '@nestjs/common';
import type { RunOutcome } from '@synscope/api-contract';
import { DataSource, type EntityManager } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';

/** Runs that are kept of each schedule, the latest ones. */
export const KEPT_RUNS = 1_000;

/** Longer than any session can be open: a day, and what it takes to end it. */
const LONGEST_SESSION_HOURS = 25;

export interface RunRow {
  readonly id: string;
  readonly scheduleId: string;
  readonly manual: boolean;
  readonly triggeredBy: string | null;
  readonly triggeredByName: string | null;
  readonly dueAt: Date;
  readonly firedAt: Date | null;
  readonly outcome: RunOutcome;
  readonly error: string | null;
  readonly sessionId: string | null;
}

export interface NewRun {
  readonly scheduleId: string;
  readonly dueAt: Date;
  readonly firedAt: Date;
  /** Whose token asked for it; null if it was due. */
  readonly triggeredBy: { readonly tokenId: string | null; readonly name: string } | null;
}

/** What became of a run that was not missed. */
export type Conclusion =
  | { readonly outcome: 'started'; readonly sessionId: string }
  | { readonly outcome: 'skipped' | 'failed'; readonly error: string };

export interface MissedRun {
  readonly dueAt: Date;
  readonly error: string;
}

const COLUMNS = `id, schedule_id AS "scheduleId", manual, triggered_by AS "triggeredBy", triggered_by_name AS "triggeredByName",
  due_at AS "dueAt", fired_at AS "firedAt", outcome, error, session_id AS "sessionId"`;

@Injectable()
export class ScheduleRunStore {
  constructor(private readonly database: DataSource) {}

  /** The new run's id; null if this due time has its run already. `conclude` follows within the transaction. */
  async claim(manager: EntityManager, run: NewRun): Promise<string | null> {
    const rows: { id: string }[] = await manager.query(
      `INSERT INTO schedule_run (id, schedule_id, due_at, manual, triggered_by, triggered_by_name, fired_at, outcome, error)
       VALUES ($1, $2, $3, $4, $5, $6, $7, 'failed', 'the run was not concluded')
       ON CONFLICT (schedule_id, due_at) DO NOTHING RETURNING id`,
      [
        uuidv7(),
        run.scheduleId,
        run.dueAt,
        run.triggeredBy !== null,
        run.triggeredBy?.tokenId ?? null,
        run.triggeredBy?.name ?? null,
        run.firedAt,
      ],
    );
    return rows[0]?.id ?? null;
  }

  async conclude(manager: EntityManager, id: string, conclusion: Conclusion): Promise<void> {
    const started = conclusion.outcome === 'started';
    await manager.query('UPDATE schedule_run SET outcome = $2, error = $3, session_id = $4 WHERE id = $1', [
      id,
      conclusion.outcome,
      started ? null : conclusion.error,
      started ? conclusion.sessionId : null,
    ]);
  }

  async insertMissed(
    manager: EntityManager,
    scheduleId: string,
    missed: readonly MissedRun[],
  ): Promise<void> {
    if (missed.length === 0) return;
    await manager.query(
      `INSERT INTO schedule_run (id, schedule_id, due_at, manual, outcome, error)
       SELECT id, $1, due_at, FALSE, 'missed', error FROM unnest($2::uuid[], $3::timestamptz[], $4::text[]) AS run (id, due_at, error)
       ON CONFLICT (schedule_id, due_at) DO NOTHING`,
      [
        scheduleId,
        missed.map(() => uuidv7()),
        missed.map(({ dueAt }) => dueAt),
        missed.map(({ error }) => error),
      ],
    );
  }

  /**
   * A due time for a manual run: now, but never that of another run. Regular due times are whole seconds, which this one avoids. The
   * schedule is locked.
   */
  async manualDueAt(manager: EntityManager, scheduleId: string): Promise<Date> {
    const rows: { at: Date }[] = await manager.query(
      `SELECT greatest(date_trunc('milliseconds', clock_timestamp()), max(due_at) + interval '1 millisecond') AS at
         FROM schedule_run WHERE schedule_id = $1 AND manual`,
      [scheduleId],
    );
    const atMs = rows[0]?.at.getTime() ?? Number.NaN;
    return new Date(atMs % 1_000 === 0 ? atMs + 1 : atMs);
  }

  /** The sessions of its runs that may still be open. */
  async recentSessionIds(manager: EntityManager, scheduleId: string): Promise<readonly string[]> {
    const rows: { sessionId: string }[] = await manager.query(
      `SELECT session_id AS "sessionId" FROM schedule_run
        WHERE schedule_id = $1 AND session_id IS NOT NULL AND fired_at > clock_timestamp() - make_interval(hours => $2)`,
      [scheduleId, LONGEST_SESSION_HOURS],
    );
    return rows.map((row) => row.sessionId);
  }

  /** Forgets all but the latest runs. */
  async prune(manager: EntityManager, scheduleId: string): Promise<void> {
    await manager.query(
      `DELETE FROM schedule_run WHERE schedule_id = $1 AND due_at <= (
         SELECT due_at FROM schedule_run WHERE schedule_id = $1 ORDER BY due_at DESC OFFSET $2 LIMIT 1)`,
      [scheduleId, KEPT_RUNS],
    );
  }

  async find(id: string): Promise<RunRow | null> {
    const rows: RunRow[] = await this.database.query(`SELECT ${COLUMNS} FROM schedule_run WHERE id = $1`, [
      id,
    ]);
    return rows[0] ?? null;
  }

  /** The latest first. */
  async list(
    scheduleId: string,
    outcomes: readonly RunOutcome[] | null,
    beforeDueAt: string | null,
    limit: number,
  ): Promise<RunRow[]> {
    return this.database.query(
      `SELECT ${COLUMNS} FROM schedule_run
        WHERE schedule_id = $1 AND ($2::text[] IS NULL OR outcome = ANY($2)) AND ($3::timestamptz IS NULL OR due_at < $3)
        ORDER BY due_at DESC LIMIT $4`,
      [scheduleId, outcomes, beforeDueAt, limit],
    );
  }
}
