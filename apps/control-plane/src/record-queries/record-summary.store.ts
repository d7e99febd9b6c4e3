import { Injectable } from '@nestjs/common';
import type { LatencyStatistics, SummaryOrder } from '@synscope/api-contract';
import { DatabasePool } from '../database/database-pool.js';
import type { RecordTable } from '../record-storage/record-table.js';
import type { RecordConditions } from './record-conditions.js';
import type { LatencyFilter, RecordScope } from './record-scope.js';

/** One thing that records can be grouped by. */
export interface GroupKey {
  /** An expression over the columns of the record. */
  readonly sql: string;
  /** The value as the API tells it, from the text of the expression's; the text itself if left out. */
  readonly read?: (text: string) => string | number;
}

/** How records of one kind are summed up by groups named `Key`; `Count` names counts besides that of all. */
export interface SummaryKind<Key extends string, Count extends string, Filter extends LatencyFilter> {
  readonly table: RecordTable;
  /** An expression; null where the latency is not known. */
  readonly latency: string;
  /**
   * Where groups stand that have no latency at all, when the order is one of latency. First, if that means that nothing ever came: nothing
   * is slower.
   */
  readonly withoutLatency: 'first' | 'last';
  readonly groups: Readonly<Record<Key, GroupKey>>;
  /** Conditions of what is counted. */
  readonly counts: Readonly<Record<Count, string>>;
  readonly conditions: (scope: RecordScope<Filter>) => RecordConditions;
}

export interface SummaryRequest<Key extends string> {
  readonly groupBy: readonly Key[];
  readonly order: SummaryOrder;
  readonly limit: number;
}

export type SummaryItem<Count extends string> = {
  readonly group: Record<string, string | number | null>;
  readonly count: number;
  readonly latencyUs: LatencyStatistics;
} & Readonly<Record<Count, number>>;

/** Keys that every kind of record has. */
export const COMMON_GROUPS = {
  agentId: { sql: 'agent_id' },
  hostname: { sql: 'hostname' },
  processName: { sql: 'process_name' },
  sessionId: { sql: 'session_id' },
} as const satisfies Record<string, GroupKey>;

const ORDER_SQL: Readonly<Record<Exclude<SummaryOrder, '-failed'>, string>> = {
  '-count': 'count',
  '-p50': 'percentiles[1]',
  '-p90': 'percentiles[2]',
  '-p99': 'percentiles[3]',
  '-max': 'max',
  '-mean': 'mean',
};

interface SummaryRow {
  readonly keys: (string | null)[];
  readonly count: number;
  readonly counts: string[];
  readonly percentiles: (string | null)[] | null;
  readonly max: number | null;
  readonly mean: number | null;
}

/** Figures over raw records. They read every record of their window, so the window is what they cost. */
@Injectable()
export class RecordSummaryStore {
  constructor(private readonly pool: DatabasePool) {}

  /** At most `limit` groups, in the asked order. */
  async summarize<Key extends string, Count extends string, F extends LatencyFilter>(
    kind: SummaryKind<Key, 'failed' | Count, F>,
    scope: RecordScope<F>,
    { groupBy, order, limit }: SummaryRequest<Key>,
  ): Promise<SummaryItem<'failed' | Count>[]> {
    const conditions = kind.conditions(scope);
    const bySession = groupBy.some((key) => kind.groups[key] === COMMON_GROUPS.sessionId);
    // A record of two sessions counts in the group of each, but only in that of the one that was asked for.
    if (bySession && scope.filter.sessionId)
      conditions.add(`session_id = ${conditions.place(scope.filter.sessionId)}::uuid`);
    const byHostname = groupBy.some((key) => kind.groups[key] === COMMON_GROUPS.hostname);
    const keys = groupBy.map((key) => `(${kind.groups[key].sql})::text`);
    const countNames = Object.keys(kind.counts) as ('failed' | Count)[];
    const counts = countNames.map((name) => `count(*) FILTER (WHERE ${kind.counts[name]})`);
    const orderSql = order === '-failed' ? `counts[${countNames.indexOf('failed') + 1}]` : ORDER_SQL[order];
    const { rows } = await this.pool.query<SummaryRow>(
      `SELECT keys, count, counts::text[] AS counts, percentiles, max, mean FROM (
         SELECT ARRAY[${keys.join(', ')}]::text[] AS keys, count(*) AS count, ARRAY[${counts.join(', ')}] AS counts,
                percentile_disc(ARRAY[0.5, 0.9, 0.99]) WITHIN GROUP (ORDER BY ${kind.latency}) AS percentiles,
                max(${kind.latency}) AS max, round(avg(${kind.latency}))::bigint AS mean
           FROM ${kind.table}
           ${byHostname ? 'LEFT JOIN (SELECT id AS known_agent_id, hostname FROM agent) AS known ON known_agent_id = agent_id' : ''}
           ${bySession ? 'CROSS JOIN LATERAL unnest(session_ids) AS session (session_id)' : ''}
          WHERE ${conditions.sql}
          ${keys.length > 0 ? `GROUP BY ${keys.join(', ')}` : 'HAVING count(*) > 0'}) AS summary
        ORDER BY ${orderSql} DESC NULLS ${kind.withoutLatency}, keys LIMIT ${limit}`,
      conditions.parameters,
    );
    return rows.map((row) => toItem(row, kind.groups, groupBy, countNames));
  }
}

function toItem<Key extends string, Count extends string>(
  row: SummaryRow,
  groups: Readonly<Record<Key, GroupKey>>,
  groupBy: readonly Key[],
  countNames: readonly Count[],
): SummaryItem<Count> {
  const [p50 = null, p90 = null, p99 = null] = (row.percentiles ?? []).map((value) =>
    value === null ? null : Number(value),
  );
  const group = groupBy.map((key, index) => {
    const text = row.keys[index] ?? null;
    return [key, text === null ? null : (groups[key].read?.(text) ?? text)] as const;
  });
  const counts = countNames.map((name, index) => [name, Number(row.counts[index])] as const);
  return {
    group: Object.fromEntries(group),
    count: row.count,
    latencyUs: { p50, p90, p99, max: row.max, mean: row.mean },
    ...(Object.fromEntries(counts) as Record<Count, number>),
  };
}
