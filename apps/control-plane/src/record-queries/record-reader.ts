import { Injectable } from '@nestjs/common';
import { formatMicroseconds, resolveTime } from '@synscope/api-contract';
import { DatabasePool } from '../database/database-pool.js';
import { observedAtOfRecordId } from '../record-storage/record-id.js';
import type { RecordTable } from '../record-storage/record-table.js';
import { INDEXED_LATENCY_US, type RecordConditions } from './record-conditions.js';
import type { RecordKind } from './record-kind.js';
import type { RecordRow } from './record-row.js';
import type { LatencyFilter, RecordScope } from './record-scope.js';
import { timeSlices } from './time-slices.js';

/** Where a record stands in the order by latency. */
export interface LatencyPosition {
  /** Null for a record of unknown latency. */
  readonly latencyUs: number | null;
  readonly id: string;
}

export interface FoundRecord<T> extends LatencyPosition {
  readonly item: T;
}

const BY_TIME = 'observed_at DESC, id DESC';

/** Reads records of any kind one by one, in the order of time or of latency. */
@Injectable()
export class RecordReader {
  constructor(private readonly pool: DatabasePool) {}

  async find<Row extends RecordRow, T, F extends LatencyFilter>(
    kind: RecordKind<Row, T, F>,
    id: string,
  ): Promise<T | null> {
    const observedAtUs = observedAtOfRecordId(id);
    if (observedAtUs === null) return null;
    const where = 'observed_at = $1::timestamptz AND id = $2';
    const [found] = await this.query(kind, where, BY_TIME, 1, [timeText(observedAtUs), id]);
    return found?.item ?? null;
  }

  /** Newest first. */
  async listByTime<Row extends RecordRow, T, F extends LatencyFilter>(
    kind: RecordKind<Row, T, F>,
    scope: RecordScope<F>,
    afterId: string | null,
    limit: number,
    nowMs: number,
  ): Promise<FoundRecord<T>[]> {
    return this.newest(kind, scope, afterId, limit, nowMs, (conditions) => conditions);
  }

  /**
   * Slowest first, those of unknown latency last. In three stages, because only the first two orders are one that an index has: slow enough
   * for the index, faster, unknown. A stage is entered when the ones before could not fill the page.
   */
  async listByLatency<Row extends RecordRow, T, F extends LatencyFilter>(
    kind: RecordKind<Row, T, F>,
    scope: RecordScope<F>,
    after: LatencyPosition | null,
    limit: number,
    nowMs: number,
  ): Promise<FoundRecord<T>[]> {
    if (!kind.latency) throw new TypeError(`${kind.table} has no latency to order by`);
    const { column, unknown } = kind.latency;
    const found: FoundRecord<T>[] = [];
    if (!after || (after.latencyUs ?? -1) >= INDEXED_LATENCY_US) {
      found.push(
        ...(await this.slowest(kind, scope, column, `${column} >= ${INDEXED_LATENCY_US}`, after, limit)),
      );
    }
    const minimumMs = scope.filter.minLatencyMs;
    const excludesFast = (minimumMs ?? 0) * 1_000 >= INDEXED_LATENCY_US;
    if (found.length < limit && !excludesFast && after?.latencyUs !== null) {
      const start = after !== null && after.latencyUs < INDEXED_LATENCY_US ? after : null;
      const range = `${column} < ${INDEXED_LATENCY_US}`;
      found.push(...(await this.slowest(kind, scope, column, range, start, limit - found.length)));
    }
    if (unknown && found.length < limit && minimumMs === undefined) {
      const afterId = after && after.latencyUs === null ? after.id : null;
      found.push(
        ...(await this.newest(kind, scope, afterId, limit - found.length, nowMs, (conditions) =>
          conditions.add(`${column} IS NULL`),
        )),
      );
    }
    return found;
  }

  /** Oldest first, whatever the conditions ask for. */
  async listOldest<Row extends RecordRow, T, F extends LatencyFilter>(
    kind: RecordKind<Row, T, F>,
    conditions: RecordConditions,
    afterId: string | null,
    limit: number,
  ): Promise<FoundRecord<T>[]> {
    if (afterId) {
      conditions.add(
        `(observed_at, id) > (${conditions.place(timeOfId(afterId))}::timestamptz, ${conditions.place(afterId)}::uuid)`,
      );
    }
    return this.query(kind, conditions.sql, 'observed_at, id', limit, conditions.parameters);
  }

  async count(table: RecordTable, conditions: RecordConditions): Promise<number> {
    const { rows } = await this.pool.query<{ count: number }>(
      `SELECT count(*) AS count FROM ${table} WHERE ${conditions.sql}`,
      conditions.parameters,
    );
    return rows[0]?.count ?? 0;
  }

  private async slowest<Row extends RecordRow, T, F extends LatencyFilter>(
    kind: RecordKind<Row, T, F>,
    scope: RecordScope<F>,
    column: string,
    range: string,
    after: LatencyPosition | null,
    limit: number,
  ): Promise<FoundRecord<T>[]> {
    const conditions = kind.conditions(scope).add(range);
    if (after) {
      const place = (value: unknown) => conditions.place(value);
      conditions.add(
        `(${column}, observed_at, id) < (${place(after.latencyUs)}, ${place(timeOfId(after.id))}::timestamptz, ${place(after.id)}::uuid)`,
      );
    }
    return this.query(kind, conditions.sql, `${column} DESC, ${BY_TIME}`, limit, conditions.parameters);
  }

  /**
   * The partial index has slow and failed ones in the order of time. For all others there is only the BRIN index: then the window is read in
   * slices from its end, each longer than the one before, until the page is full.
   */
  private async newest<Row extends RecordRow, T, F extends LatencyFilter>(
    kind: RecordKind<Row, T, F>,
    scope: RecordScope<F>,
    afterId: string | null,
    limit: number,
    nowMs: number,
    restrict: (conditions: RecordConditions) => RecordConditions,
  ): Promise<FoundRecord<T>[]> {
    const read = (part: RecordScope<F>, most: number) => {
      const conditions = restrict(kind.conditions(part));
      if (afterId) {
        conditions.add(
          `(observed_at, id) < (${conditions.place(timeOfId(afterId))}::timestamptz, ${conditions.place(afterId)}::uuid)`,
        );
      }
      return this.query(kind, conditions.sql, BY_TIME, most, conditions.parameters);
    };
    if (kind.conditions(scope).areIndexed) return read(scope, limit);

    const found: FoundRecord<T>[] = [];
    const sinceUs = microsecondsOf(scope.since);
    const afterUs = afterId === null ? Number.POSITIVE_INFINITY : (observedAtOfRecordId(afterId) ?? 0) + 1;
    const untilUs = Math.min(microsecondsOf(scope.until), afterUs);
    for (const slice of timeSlices(sinceUs, untilUs, nowMs * 1_000)) {
      const part = { ...scope, since: timeText(slice.sinceUs), until: timeText(slice.untilUs) };
      found.push(...(await read(part, limit - found.length)));
      if (found.length >= limit) break;
    }
    return found;
  }

  private async query<Row extends RecordRow, T, F extends LatencyFilter>(
    kind: RecordKind<Row, T, F>,
    where: string,
    order: string,
    limit: number,
    parameters: readonly unknown[],
  ): Promise<FoundRecord<T>[]> {
    // Columns are made into text after the LIMIT, not for every row that is sorted.
    const { rows } = await this.pool.query<Row & { position_latency_us: number | null }>(
      `SELECT ${kind.columns}, hostname, ${kind.latency?.column ?? 'NULL::bigint'} AS position_latency_us
         FROM (SELECT * FROM ${kind.table} WHERE ${where} ORDER BY ${order} LIMIT ${limit}) AS found
         LEFT JOIN (SELECT id AS known_agent_id, hostname FROM agent) AS known ON known_agent_id = agent_id
        ORDER BY ${order}`,
      [...parameters],
    );
    return rows.map((row) => ({ item: kind.toItem(row), id: row.id, latencyUs: row.position_latency_us }));
  }
}

function timeOfId(id: string): string {
  return timeText(observedAtOfRecordId(id) ?? 0);
}

function timeText(microseconds: number): string {
  return formatMicroseconds(BigInt(microseconds));
}

function microsecondsOf(time: string): number {
  return Number(resolveTime(time, 0) ?? 0n);
}
