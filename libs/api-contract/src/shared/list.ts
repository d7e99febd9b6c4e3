import { z } from 'zod';
import { queryInteger } from './query-values.js';
import { timestampSchema } from './time.js';

export const DEFAULT_LIMIT = 100;
export const MAXIMUM_LIMIT = 1_000;

/** Spread into the strict object of every list's query. An absent limit is {@link DEFAULT_LIMIT} for a page, and no bound for a stream. */
export const pageQuery = {
  limit: queryInteger(1, MAXIMUM_LIMIT)
    .optional()
    .meta({ description: `How many items at most; ${DEFAULT_LIMIT} if left out.`, default: DEFAULT_LIMIT }),
  cursor: z
    .string()
    .min(1)
    .max(2_000)
    .optional()
    .meta({ description: '`nextCursor` of the page before, from the same query.' }),
};

/** Records that were offered but are not in the store, within one interval. */
export const lossIntervalSchema = z
  .strictObject({
    agentId: z.string().nullable().meta({ description: 'Whose agent’s; null is not known.' }),
    cause: z.string().meta({ description: 'Where they were lost.', example: 'ring_full' }),
    probe: z.string().nullable().meta({
      description:
        'Whose records; null for batches that never came, which could have held records of any probe.',
    }),
    records: z.int().min(0).nullable().meta({ description: 'Null if only the number of batches is known.' }),
    batches: z
      .int()
      .min(0)
      .nullable()
      .meta({ description: 'Batches that never came; null if the loss was counted in records.' }),
    from: timestampSchema,
    until: timestampSchema,
  })
  .meta({ id: 'LossInterval' });

export const lossSchema = z
  .strictObject({
    records: z.int().min(0).meta({ description: 'How many, as far as it is known.' }),
    intervals: z
      .array(lossIntervalSchema)
      .meta({ description: 'When, where and why; the newest 100, or the largest.' }),
  })
  .meta({
    id: 'Loss',
    description: 'Counted loss that touches this answer: records that were offered but are not stored.',
  });
export type Loss = z.output<typeof lossSchema>;
export type LossInterval = z.output<typeof lossIntervalSchema>;

export const NO_LOSS: Loss = { records: 0, intervals: [] };

/** The envelope of every list. `id` names it in the OpenAPI document. */
export function listSchema<T extends z.ZodType>(id: string, item: T) {
  return z
    .strictObject({
      items: z.array(item).meta({ description: 'One page of them.' }),
      nextCursor: z
        .string()
        .nullable()
        .meta({ description: 'Pass it as `cursor` for the next page; null at the end.' }),
      loss: lossSchema,
    })
    .meta({ id });
}
