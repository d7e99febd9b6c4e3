import { Injectable } from '@nestjs/common';
import {
  HANDSHAKE_OUTCOMES,
  HANDSHAKE_ROLES,
  type HandshakeGroupKey,
  type HandshakeHeatmap,
  type HandshakeSummaryItem,
  type HandshakeSummaryQuery,
} from '@synscope/api-contract';
import { bucketBounds, COARSE_BUCKETS, lowerBoundOf } from '@synscope/latency';
import { DatabasePool } from '../database/database-pool.js';
import { HandshakeConditions, type HandshakeScope } from './handshake-conditions.js';
import { nameOf } from './handshake-row.js';

const LONGEST_LATENCY_US = 86_400_000_000;

const GROUP_SQL: Readonly<Record<HandshakeGroupKey, string>> = {
  agentId: 'handshake.agent_id',
  hostname: 'agent.hostname',
  role: 'role',
  outcome: 'outcome',
  remoteAddress: 'host(remote_address)',
  remotePort: 'remote_port',
  localPort: 'local_port',
  processName: 'process_name',
  sessionId: 'session.id',
};

const ORDER_SQL: Readonly<Record<HandshakeSummaryQuery['order'], string>> = {
  '-count': 'count',
  '-failed': 'failed',
  '-p50': 'percentiles[1]',
  '-p90': 'percentiles[2]',
  '-p99': 'percentiles[3]',
  '-max': 'max',
  '-mean': 'mean',
};

interface SummaryRow {
  readonly keys: (string | null)[];
  readonly count: number;
  readonly failed: number;
  readonly percentiles: (string | null)[] | null;
  readonly max: number | null;
  readonly mean: number | null;
}

/** Figures over raw records. They read every record of their window, so the window is what they cost. */
@Injectable()
export class HandshakeSummaryStore {
  constructor(private readonly pool: DatabasePool) {}

  /** At most `limit` groups, in the asked order. */
  async summarize(
    scope: HandshakeScope,
    groupBy: readonly HandshakeGroupKey[],
    order: HandshakeSummaryQuery['order'],
    limit: number,
  ): Promise<HandshakeSummaryItem[]> {
    const conditions = new HandshakeConditions(scope);
    const bySession = groupBy.includes('sessionId');
    // A record of two sessions counts in the group of each, but only in that of the one that was asked for.
    if (bySession && scope.filter.sessionId) {
      conditions.add(`session.id = ${conditions.place(scope.filter.sessionId)}::uuid`);
    }
    const keys = groupBy.map((key) => `${GROUP_SQL[key]}::text`);
    const { rows } = await this.pool.query<SummaryRow>(
      `SELECT * FROM (
         SELECT ARRAY[${keys.join(', ')}]::text[] AS keys, count(*) AS count, count(*) FILTER (WHERE outcome <> 1) AS failed,
                percentile_disc(ARRAY[0.5, 0.9, 0.99]) WITHIN GROUP (ORDER BY latency_us) AS percentiles,
                max(latency_us) AS max, round(avg(latency_us))::bigint AS mean
           FROM handshake
           ${groupBy.includes('hostname') ? 'LEFT JOIN agent ON agent.id = handshake.agent_id' : ''}
           ${bySession ? 'CROSS JOIN LATERAL unnest(session_ids) AS session (id)' : ''}
          WHERE ${conditions.sql}
          ${keys.length > 0 ? `GROUP BY ${keys.join(', ')}` : 'HAVING count(*) > 0'}) AS summary
        ORDER BY ${ORDER_SQL[order]} DESC NULLS LAST, keys LIMIT ${limit}`,
      conditions.parameters,
    );
    return rows.map((row) => toItem(row, groupBy));
  }

  async heatmap(scope: HandshakeScope, stepSeconds: number): Promise<Omit<HandshakeHeatmap, 'loss'>> {
    const conditions = new HandshakeConditions(scope);
    const step = `make_interval(secs => ${conditions.place(stepSeconds)})`;
    const bounds = conditions.place(bucketBounds(LONGEST_LATENCY_US, COARSE_BUCKETS));
    const { rows } = await this.pool.query<{ starts_at: string; bucket: number | null; count: number }>(
      `SELECT date_bin(${step}, observed_at, 'epoch') AS starts_at, width_bucket(latency_us, ${bounds}::bigint[]) - 1 AS bucket, count(*) AS count
         FROM handshake WHERE ${conditions.sql} GROUP BY 1, 2 ORDER BY 1, 2`,
      conditions.parameters,
    );
    const used = rows.flatMap(({ bucket }) => (bucket === null ? [] : [bucket]));
    const lowest = used.reduce((low, bucket) => Math.min(low, bucket), Number.POSITIVE_INFINITY);
    const highest = used.reduce((high, bucket) => Math.max(high, bucket), -1);
    const width = Math.max(0, highest - lowest + 1);
    return {
      stepSeconds,
      buckets: Array.from({ length: width }, (_, index) => ({
        fromUs: lowerBoundOf(lowest + index, COARSE_BUCKETS),
        untilUs: lowerBoundOf(lowest + index + 1, COARSE_BUCKETS),
      })),
      items: [...Map.groupBy(rows, ({ starts_at }) => starts_at)].map(([startsAt, cells]) => {
        const counts = Array.from({ length: width }, () => 0);
        let unknown = 0;
        for (const { bucket, count } of cells) {
          if (bucket === null) unknown = count;
          else counts[bucket - lowest] = count;
        }
        return { startsAt, counts, unknown };
      }),
    };
  }
}

function toItem(row: SummaryRow, groupBy: readonly HandshakeGroupKey[]): HandshakeSummaryItem {
  const [p50 = null, p90 = null, p99 = null] = (row.percentiles ?? []).map((value) =>
    value === null ? null : Number(value),
  );
  return {
    group: Object.fromEntries(groupBy.map((key, index) => [key, groupValue(key, row.keys[index] ?? null)])),
    count: row.count,
    failed: row.failed,
    latencyUs: { p50, p90, p99, max: row.max, mean: row.mean },
  };
}

function groupValue(key: HandshakeGroupKey, text: string | null): string | number | null {
  if (text === null) return null;
  switch (key) {
    case 'role':
      return nameOf(HANDSHAKE_ROLES, Number(text));
    case 'outcome':
      return nameOf(HANDSHAKE_OUTCOMES, Number(text));
    case 'remotePort':
    case 'localPort':
      return Number(text);
    default:
      return text;
  }
}
