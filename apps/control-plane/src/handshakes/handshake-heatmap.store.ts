import { Injectable } from '@nestjs/common';
import type { HandshakeFilter, HandshakeHeatmap } from '@synscope/api-contract';
import { bucketBounds, COARSE_BUCKETS, lowerBoundOf } from '@synscope/latency';
import { DatabasePool } from '../database/database-pool.js';
import type { RecordScope } from '../record-queries/record-scope.js';
import { handshakeConditions } from './handshake-kind.js';

const LONGEST_LATENCY_US = 86_400_000_000;

/** Latency over time, from raw records: reads every record of the window. */
@Injectable()
export class HandshakeHeatmapStore {
  constructor(private readonly pool: DatabasePool) {}

  async heatmap(
    scope: RecordScope<HandshakeFilter>,
    stepSeconds: number,
  ): Promise<Omit<HandshakeHeatmap, 'loss'>> {
    const conditions = handshakeConditions(scope);
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
