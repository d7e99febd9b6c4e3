import { Injectable } from '@nestjs/common';
import { type Overlap, traceSessionCreateSchema } from '@synscope/api-contract';
import { DataSource, type EntityManager, QueryFailedError } from 'typeorm';
import { scheduleNameTaken } from './schedule.errors.js';
import type { Plan, ScheduleSettings, StoredSchedule } from './schedule.js';

interface ScheduleRow {
  readonly id: string;
  readonly name: string;
  readonly cron: string | null;
  readonly everySeconds: number | null;
  readonly timezone: string;
  readonly jitterSeconds: number;
  readonly overlap: Overlap;
  readonly catchUpSeconds: number;
  readonly session: unknown;
  readonly paused: boolean;
  readonly anchorAt: Date;
  readonly nextDueAt: Date | null;
  readonly nextFireAt: Date | null;
  readonly createdAt: Date;
  readonly updatedAt: Date;
  readonly now: Date;
}

/** A schedule, and what the database's clock showed as it was read. */
export interface ScheduleReading {
  readonly schedule: StoredSchedule;
  readonly now: Date;
}

export interface ScheduleContent extends ScheduleSettings {
  readonly anchorAt: Date;
  readonly plan: Plan | null;
}

const COLUMNS = `id, name, cron, every_seconds AS "everySeconds", timezone, jitter_seconds AS "jitterSeconds", overlap,
  catch_up_seconds AS "catchUpSeconds", session, paused, anchor_at AS "anchorAt", next_due_at AS "nextDueAt",
  next_fire_at AS "nextFireAt", created_at AS "createdAt", updated_at AS "updatedAt", clock_timestamp() AS now`;

/**
 * A replica that vanishes without closing its connections (its host lost power) would hold the lock of a schedule until TCP gives up, two
 * hours by default. Postgres takes the lock away from a transaction that does nothing for so long.
 */
const LOCK_IDLE_TIMEOUT = '10s';

@Injectable()
export class ScheduleStore {
  constructor(private readonly database: DataSource) {}

  async now(manager: EntityManager): Promise<Date> {
    const rows: { now: Date }[] = await manager.query('SELECT clock_timestamp() AS now');
    return rows[0]?.now ?? new Date(Number.NaN);
  }

  async insert(
    manager: EntityManager,
    id: string,
    content: ScheduleContent,
    createdBy: string | null,
  ): Promise<void> {
    await named(content.name, () =>
      manager.query(
        `INSERT INTO schedule (id, name, cron, every_seconds, timezone, jitter_seconds, overlap, catch_up_seconds, session, paused,
                               anchor_at, next_due_at, next_fire_at, created_by)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`,
        [id, ...values(content), createdBy],
      ),
    );
  }

  async update(manager: EntityManager, id: string, content: ScheduleContent): Promise<void> {
    await named(content.name, () =>
      manager.query(
        `UPDATE schedule SET name = $2, cron = $3, every_seconds = $4, timezone = $5, jitter_seconds = $6, overlap = $7,
                catch_up_seconds = $8, session = $9, paused = $10, anchor_at = $11, next_due_at = $12, next_fire_at = $13,
                updated_at = now()
          WHERE id = $1`,
        [id, ...values(content)],
      ),
    );
  }

  async plan(manager: EntityManager, id: string, plan: Plan | null): Promise<void> {
    await manager.query('UPDATE schedule SET next_due_at = $2, next_fire_at = $3 WHERE id = $1', [
      id,
      plan?.dueAt ?? null,
      plan?.fireAt ?? null,
    ]);
  }

  /** Whether there was one. */
  async delete(manager: EntityManager, id: string): Promise<boolean> {
    const [, affected] = (await manager.query('DELETE FROM schedule WHERE id = $1', [id])) as [
      unknown,
      number,
    ];
    return affected === 1;
  }

  async find(id: string): Promise<ScheduleReading | null> {
    const rows: ScheduleRow[] = await this.database.query(`SELECT ${COLUMNS} FROM schedule WHERE id = $1`, [
      id,
    ]);
    return rows[0] ? toReading(rows[0]) : null;
  }

  /** Newest first. */
  async list(name: string | null, afterId: string | null, limit: number): Promise<ScheduleReading[]> {
    const rows: ScheduleRow[] = await this.database.query(
      `SELECT ${COLUMNS} FROM schedule
        WHERE ($1::text IS NULL OR name = $1) AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3`,
      [name, afterId, limit],
    );
    return rows.map(toReading);
  }

  /** Waits for whoever fires or changes it. */
  async lock(manager: EntityManager, id: string): Promise<ScheduleReading | null> {
    await manager.query(`SET LOCAL idle_in_transaction_session_timeout = '${LOCK_IDLE_TIMEOUT}'`);
    const rows: ScheduleRow[] = await manager.query(
      `SELECT ${COLUMNS} FROM schedule WHERE id = $1 FOR UPDATE`,
      [id],
    );
    return rows[0] ? toReading(rows[0]) : null;
  }

  /** Locks one whose time to fire has come by the database's clock, and that no other replica is at. Its id. */
  async lockDue(manager: EntityManager, except: readonly string[]): Promise<string | null> {
    const rows: { id: string }[] = await manager.query(
      `SELECT id FROM schedule WHERE next_fire_at <= clock_timestamp() AND id <> ALL($1)
        ORDER BY next_fire_at LIMIT 1 FOR UPDATE SKIP LOCKED`,
      [except],
    );
    return rows[0]?.id ?? null;
  }

  /** How long until the next one fires, in milliseconds by the database's clock; null if there is none. */
  async untilNextMs(except: readonly string[]): Promise<number | null> {
    const rows: { untilMs: string | null }[] = await this.database.query(
      `SELECT extract(epoch FROM min(next_fire_at) - clock_timestamp()) * 1000 AS "untilMs"
         FROM schedule WHERE id <> ALL($1)`,
      [except],
    );
    const untilMs = rows[0]?.untilMs ?? null;
    return untilMs === null ? null : Number(untilMs);
  }
}

function values(content: ScheduleContent): unknown[] {
  return [
    content.name,
    content.cron,
    content.everySeconds,
    content.timezone,
    content.jitterSeconds,
    content.overlap,
    content.catchUpSeconds,
    JSON.stringify(content.session),
    content.paused,
    content.anchorAt,
    content.plan?.dueAt ?? null,
    content.plan?.fireAt ?? null,
  ];
}

function toReading({ now, nextDueAt, nextFireAt, session, ...row }: ScheduleRow): ScheduleReading {
  const schedule: StoredSchedule = {
    ...row,
    // One of an older version lacks the fields that came later; they get their defaults, as if left out.
    session: traceSessionCreateSchema.parse(session),
    plan: nextDueAt && nextFireAt && { dueAt: nextDueAt, fireAt: nextFireAt },
  };
  return { schedule, now };
}

async function named(name: string, write: () => Promise<unknown>): Promise<void> {
  try {
    await write();
  } catch (error) {
    const source: unknown = error instanceof QueryFailedError ? error.driverError : error;
    if (source instanceof Error && 'constraint' in source && source.constraint === 'schedule_name_key') {
      throw scheduleNameTaken(name);
    }
    throw error;
  }
}
