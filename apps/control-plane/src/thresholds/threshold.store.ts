import { Injectable } from '@nestjs/common';
import type {
  ThresholdFilter,
  ThresholdMetric,
  ThresholdPercentile,
  ThresholdState,
} from '@synscope/api-contract';
import type { Selector } from '@synscope/selector';
import { DataSource, type EntityManager, QueryFailedError } from 'typeorm';
import { labelCondition } from '../database/label-condition.js';
import { thresholdNameTaken } from './threshold.errors.js';
import type { ThresholdStanding } from './threshold-state.js';

export interface ThresholdSettings {
  readonly name: string;
  readonly metric: ThresholdMetric;
  readonly percentile: ThresholdPercentile | null;
  readonly filter: ThresholdFilter;
  readonly aboveMs: number | null;
  readonly aboveRatio: number | null;
  readonly forMinutes: number;
  readonly minCount: number;
  readonly enabled: boolean;
}

export interface StoredThreshold extends ThresholdSettings, ThresholdStanding {
  readonly id: string;
  readonly since: Date;
  readonly lastValue: number | null;
  readonly lastCount: string | null;
  readonly lastError: string | null;
  readonly revision: number;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

/** One whose turn it is, and the minute to look at. */
export interface DueThreshold extends StoredThreshold {
  readonly minute: Date;
}

export interface Evaluation {
  readonly standing: ThresholdStanding;
  readonly value: number | null;
  readonly count: number;
}

const COLUMNS = `id, name, metric, percentile, filter, above_ms AS "aboveMs", above_ratio AS "aboveRatio", for_minutes AS "forMinutes",
  min_count AS "minCount", enabled, state, since, minutes_above AS "minutesAbove", minutes_unknown AS "minutesUnknown",
  last_minute AS "lastMinute", last_value AS "lastValue", last_count AS "lastCount", last_error AS "lastError", revision,
  created_at AS "createdAt", updated_at AS "updatedAt"`;

/** A minute is looked at so long after its end: agents send within seconds, and what comes later is not counted. */
const LATE = `interval '20 seconds'`;
/** When the minute after the present one can be looked at. */
const NEXT = `date_trunc('minute', now() - ${LATE}) + interval '1 minute' + ${LATE}`;

/** Longer than the query of an evaluation may take: then its replica is gone, and another looks. Seconds. */
const LEASE_SECONDS = 75;

/** Any number, so long as it is for this alone: makes creations wait for each other while they count. */
const CREATION_LOCK = 720_072;

@Injectable()
export class ThresholdStore {
  constructor(private readonly database: DataSource) {}

  /** Holds off other creations until the transaction ends. */
  async count(manager: EntityManager): Promise<number> {
    await manager.query('SELECT pg_advisory_xact_lock($1)', [CREATION_LOCK]);
    const rows: { count: number }[] = await manager.query('SELECT count(*)::int AS count FROM threshold');
    return rows[0]?.count ?? 0;
  }

  async insert(
    manager: EntityManager,
    id: string,
    settings: ThresholdSettings,
    createdBy: string | null,
  ): Promise<void> {
    await named(settings.name, () =>
      manager.query(
        `INSERT INTO threshold (id, name, metric, percentile, filter, above_ms, above_ratio, for_minutes, min_count, enabled, created_by)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
        [id, ...values(settings), createdBy],
      ),
    );
  }

  /** Begins anew: what was above before says nothing of the new settings. */
  async update(manager: EntityManager, id: string, settings: ThresholdSettings): Promise<void> {
    await named(settings.name, () =>
      manager.query(
        `UPDATE threshold SET name = $2, metric = $3, percentile = $4, filter = $5, above_ms = $6, above_ratio = $7, for_minutes = $8,
                min_count = $9, enabled = $10, state = 'ok', since = now(), minutes_above = 0, minutes_unknown = 0, last_minute = NULL,
                last_value = NULL, last_count = NULL, last_error = NULL, next_evaluation_at = now(), revision = revision + 1, updated_at = now()
          WHERE id = $1`,
        [id, ...values(settings)],
      ),
    );
  }

  async delete(manager: EntityManager, id: string): Promise<void> {
    await manager.query('DELETE FROM threshold WHERE id = $1', [id]);
  }

  async find(id: string): Promise<StoredThreshold | null> {
    const rows: StoredThreshold[] = await this.database.query(
      `SELECT ${COLUMNS} FROM threshold WHERE id = $1`,
      [id],
    );
    return rows[0] ?? null;
  }

  async lock(manager: EntityManager, id: string): Promise<StoredThreshold | null> {
    const rows: StoredThreshold[] = await manager.query(
      `SELECT ${COLUMNS} FROM threshold WHERE id = $1 FOR UPDATE`,
      [id],
    );
    return rows[0] ?? null;
  }

  /** Newest first. */
  async list(
    name: string | null,
    states: readonly ThresholdState[] | null,
    afterId: string | null,
    limit: number,
  ): Promise<StoredThreshold[]> {
    return this.database.query(
      `SELECT ${COLUMNS} FROM threshold
        WHERE ($1::text IS NULL OR name = $1) AND ($2::text[] IS NULL OR state = ANY ($2)) AND ($3::uuid IS NULL OR id < $3)
        ORDER BY id DESC LIMIT $4`,
      [name, states, afterId, limit],
    );
  }

  /** Takes on one that is due by the database's clock, and that no other replica is at. */
  async claim(): Promise<DueThreshold | null> {
    const [rows] = (await this.database.query(
      `UPDATE threshold SET next_evaluation_at = now() + make_interval(secs => $1)
        WHERE id = (SELECT id FROM threshold WHERE enabled AND next_evaluation_at <= now()
                     ORDER BY next_evaluation_at LIMIT 1 FOR UPDATE SKIP LOCKED)
       RETURNING ${COLUMNS}, date_trunc('minute', now() - ${LATE}) - interval '1 minute' AS minute`,
      [LEASE_SECONDS],
    )) as [DueThreshold[], number];
    return rows[0] ?? null;
  }

  /** Whether it was not evaluated for this minute yet, and not changed meanwhile: of several evaluations of a minute one counts. */
  async settle(
    manager: EntityManager,
    { id, revision, minute }: DueThreshold,
    { standing, value, count }: Evaluation,
  ): Promise<boolean> {
    const [, settled] = (await manager.query(
      `UPDATE threshold SET since = CASE WHEN state = $4 THEN since ELSE now() END, state = $4, minutes_above = $5, minutes_unknown = $6,
              last_minute = $3, last_value = $7, last_count = $8, last_error = NULL, next_evaluation_at = ${NEXT}
        WHERE id = $1 AND revision = $2 AND (last_minute IS NULL OR last_minute < $3)`,
      [id, revision, minute, standing.state, standing.minutesAbove, standing.minutesUnknown, value, count],
    )) as [unknown, number];
    return settled === 1;
  }

  /** Nothing new is known: it is tried again for the next minute. */
  async postpone({ id, revision }: DueThreshold, error: string | null): Promise<void> {
    await this.database.query(
      `UPDATE threshold SET last_error = $3, next_evaluation_at = ${NEXT} WHERE id = $1 AND revision = $2`,
      [id, revision, error],
    );
  }

  async agentsOf(selector: Selector): Promise<string[]> {
    const { sql, parameters } = labelCondition(selector, 'labels', 1);
    const rows: { id: string }[] = await this.database.query(`SELECT id FROM agent WHERE ${sql}`, [
      ...parameters,
    ]);
    return rows.map(({ id }) => id);
  }
}

function values(settings: ThresholdSettings): unknown[] {
  return [
    settings.name,
    settings.metric,
    settings.percentile,
    JSON.stringify(settings.filter),
    settings.aboveMs,
    settings.aboveRatio,
    settings.forMinutes,
    settings.minCount,
    settings.enabled,
  ];
}

async function named(name: string, write: () => Promise<unknown>): Promise<void> {
  try {
    await write();
  } catch (error) {
    const source: unknown = error instanceof QueryFailedError ? error.driverError : error;
    if (source instanceof Error && 'constraint' in source && source.constraint === 'threshold_name_key')
      throw thresholdNameTaken(name);
    throw error;
  }
}
