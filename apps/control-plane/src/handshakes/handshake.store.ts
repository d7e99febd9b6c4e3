import { Injectable } from '@nestjs/common';
import { formatMicroseconds, type Handshake, resolveTime } from '@synscope/api-contract';
import { DatabasePool } from '../database/database-pool.js';
import { observedAtOfRecordId } from '../record-storage/record-id.js';
import { HandshakeConditions, type HandshakeScope, INDEXED_LATENCY_US } from './handshake-conditions.js';
import { HANDSHAKE_ROW_COLUMNS, type HandshakeRow, toHandshake } from './handshake-row.js';
import { timeSlices } from './time-slices.js';

/** Of the last item that was handed out. */
export interface HandshakePosition {
  /** Null while ordering by time, and for a record of unknown latency. */
  readonly latencyUs: number | null;
  readonly id: string;
}

const BY_TIME = 'observed_at DESC, id DESC';
const BY_LATENCY = 'latency_us DESC, observed_at DESC, id DESC';

@Injectable()
export class HandshakeStore {
  constructor(private readonly pool: DatabasePool) {}

  async find(id: string): Promise<Handshake | null> {
    const observedAtUs = observedAtOfRecordId(id);
    if (observedAtUs === null) return null;
    const [found] = await this.query('observed_at = $1::timestamptz AND id = $2', BY_TIME, 1, [
      formatMicroseconds(BigInt(observedAtUs)),
      id,
    ]);
    return found ?? null;
  }

  async agentIdsOf(hostname: string): Promise<string[]> {
    const { rows } = await this.pool.query<{ id: string }>('SELECT id FROM agent WHERE hostname = $1', [
      hostname,
    ]);
    return rows.map(({ id }) => id);
  }

  /**
   * When records of a session can have been observed: while it was open, with an hour on either side for hosts whose clock is off. Null if the
   * session is not known.
   */
  async lifeOfSession(sessionId: string): Promise<{ readonly from: string; readonly until: string } | null> {
    const { rows } = await this.pool.query<{ from: string; until: string }>(
      `SELECT created_at::timestamptz - interval '1 hour' AS from,
              coalesce(ended_at, ends_at)::timestamptz + interval '1 hour' AS until
         FROM trace_session WHERE id = $1`,
      [sessionId],
    );
    return rows[0] ?? null;
  }

  /** Newest first. */
  async listByTime(
    scope: HandshakeScope,
    after: string | null,
    limit: number,
    nowMs: number,
  ): Promise<Handshake[]> {
    return this.newest(scope, after, limit, nowMs, (conditions) => conditions);
  }

  /**
   * Slowest first, those of unknown latency last. In three stages, because only the first two orders are one that an index has: slow enough
   * for the index, faster, unknown. A stage is entered when the ones before could not fill the page.
   */
  async listByLatency(
    scope: HandshakeScope,
    after: HandshakePosition | null,
    limit: number,
    nowMs: number,
  ): Promise<Handshake[]> {
    const found: Handshake[] = [];
    if (!after || (after.latencyUs ?? -1) >= INDEXED_LATENCY_US) {
      found.push(...(await this.slowest(scope, `latency_us >= ${INDEXED_LATENCY_US}`, after, limit)));
    }
    const excludesFast = (scope.filter.minLatencyMs ?? 0) * 1_000 >= INDEXED_LATENCY_US;
    if (found.length < limit && !excludesFast && after?.latencyUs !== null) {
      const startsHere = after !== null && after.latencyUs < INDEXED_LATENCY_US;
      found.push(
        ...(await this.slowest(
          scope,
          `latency_us < ${INDEXED_LATENCY_US}`,
          startsHere ? after : null,
          limit - found.length,
        )),
      );
    }
    if (found.length < limit && scope.filter.minLatencyMs === undefined) {
      const afterId = after && after.latencyUs === null ? after.id : null;
      found.push(
        ...(await this.newest(scope, afterId, limit - found.length, nowMs, (conditions) =>
          conditions.add('latency_us IS NULL'),
        )),
      );
    }
    return found;
  }

  private async slowest(
    scope: HandshakeScope,
    range: string,
    after: HandshakePosition | null,
    limit: number,
  ): Promise<Handshake[]> {
    const conditions = new HandshakeConditions(scope).add(range);
    if (after) {
      const place = (value: unknown) => conditions.place(value);
      conditions.add(
        `(latency_us, observed_at, id) < (${place(after.latencyUs)}, ${place(timeOfId(after.id))}::timestamptz, ${place(after.id)}::uuid)`,
      );
    }
    return this.query(conditions.sql, BY_LATENCY, limit, conditions.parameters);
  }

  /**
   * The partial index has slow and failed ones in the order of time. For all others there is only the BRIN index: then the window is read in
   * slices from its end, each longer than the one before, until the page is full.
   */
  private async newest(
    scope: HandshakeScope,
    afterId: string | null,
    limit: number,
    nowMs: number,
    restrict: (conditions: HandshakeConditions) => HandshakeConditions,
  ): Promise<Handshake[]> {
    const read = (part: HandshakeScope, most: number) => {
      const conditions = restrict(new HandshakeConditions(part));
      if (afterId) {
        conditions.add(
          `(observed_at, id) < (${conditions.place(timeOfId(afterId))}::timestamptz, ${conditions.place(afterId)}::uuid)`,
        );
      }
      return this.query(conditions.sql, BY_TIME, most, conditions.parameters);
    };
    if (new HandshakeConditions(scope).areIndexed) return read(scope, limit);

    const found: Handshake[] = [];
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

  private async query(
    where: string,
    order: string,
    limit: number,
    parameters: readonly unknown[],
  ): Promise<Handshake[]> {
    // Columns are made into text after the LIMIT, not for every row that is sorted.
    const { rows } = await this.pool.query<HandshakeRow>(
      `SELECT ${HANDSHAKE_ROW_COLUMNS}, hostname
         FROM (SELECT * FROM handshake WHERE ${where} ORDER BY ${order} LIMIT ${limit}) AS found
         LEFT JOIN (SELECT id AS known_agent_id, hostname FROM agent) AS known ON known_agent_id = agent_id
        ORDER BY ${order}`,
      [...parameters],
    );
    return rows.map(toHandshake);
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
