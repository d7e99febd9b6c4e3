import { z } from 'zod';
import { lossSchema } from './list.js';
import { queryInteger, queryList } from './query-values.js';
import { countSchema, microsecondsSchema, oneOf } from './record.js';

export const SUMMARY_ORDERS = ['-count', '-failed', '-p50', '-p90', '-p99', '-max', '-mean'] as const;
export type SummaryOrder = (typeof SUMMARY_ORDERS)[number];

/** The parameters of every summary besides its filters. */
export function summaryFields<const K extends readonly string[]>(groupKeys: K) {
  return {
    groupBy: queryList(oneOf(groupKeys))
      .optional()
      .meta({
        description: `Any of ${groupKeys.join(', ')}, separated by commas; one group of everything if left out.`,
      }),
    order: z
      .enum(SUMMARY_ORDERS, `expected one of ${SUMMARY_ORDERS.join(', ')}`)
      .default('-count')
      .meta({ description: 'Largest first. A percentile, `max` or `mean` means that of `latencyUs`.' }),
    limit: queryInteger(1, 1_000).default(100).meta({ description: 'How many groups at most.' }),
  };
}

export const latencyStatisticsSchema = z
  .strictObject({
    p50: microsecondsSchema.nullable().meta({ description: 'The median.' }),
    p90: microsecondsSchema.nullable().meta({ description: '90th percentile.' }),
    p99: microsecondsSchema.nullable().meta({ description: '99th percentile.' }),
    max: microsecondsSchema.nullable().meta({ description: 'The largest.' }),
    mean: microsecondsSchema.nullable().meta({ description: 'Rounded to whole microseconds.' }),
  })
  .meta({
    id: 'LatencyStatistics',
    description:
      'Microseconds, over the records whose latency is known; null if there are none. Percentiles are exact (nearest rank).',
  });
export type LatencyStatistics = z.output<typeof latencyStatisticsSchema>;

/** The fields of every group. `failed` says what counts as failed; `more` are further counts. */
export function summaryItemFields<M extends z.ZodRawShape>(failed: string, more: M) {
  return {
    group: z
      .record(z.string(), z.union([z.string(), z.int()]).nullable())
      .meta({ description: 'The values of `groupBy`; null is a group too.' }),
    count: countSchema.meta({ description: 'Records in the group.' }),
    failed: countSchema.meta({ description: failed }),
    ...more,
    latencyUs: latencyStatisticsSchema,
  };
}

/** The envelope of every summary. `id` names it in the OpenAPI document. */
export function summarySchema<T extends z.ZodType>(id: string, item: T) {
  return z
    .strictObject({
      items: z.array(item).meta({ description: 'One per group, in the asked order.' }),
      truncated: z.boolean().meta({ description: 'Whether there are more groups than `limit`.' }),
      loss: lossSchema,
    })
    .meta({ id });
}
