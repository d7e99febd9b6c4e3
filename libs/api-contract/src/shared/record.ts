import { z } from 'zod';
import { identifierOutputSchema, identifierSchema } from './identifier.js';
import { processSchema } from './process.js';
import { queryList, queryMillisecondsSchema } from './query-values.js';
import { timeExpressionSchema } from './time.js';

export const countSchema = z.int().min(0);
export const microsecondsSchema = z.int().min(0);

/** What every kind of record has, whoever observed what. */
export const recordFields = {
  id: identifierOutputSchema,
  agentId: z.guid().meta({ description: 'The agent that observed it.' }),
  hostname: z
    .string()
    .nullable()
    .meta({ description: 'As the agent reports it; null if the agent is not known any more.' }),
  sessionIds: z.array(z.guid()).meta({ description: 'The trace sessions that it matched.' }),
  process: processSchema,
  netns: countSchema.nullable().meta({ description: 'Inode of the network namespace; null is not known.' }),
};

/** Filters that every kind of record has. */
export const recordFilterFields = {
  since: timeExpressionSchema.optional().meta({
    description:
      'Observed at or after: RFC 3339 or a length of time before now. An hour before `until` if left out; with `sessionId`, all that is kept.',
    example: '1h',
  }),
  until: timeExpressionSchema.optional().meta({ description: 'Observed before.' }),
  agentId: queryList(identifierSchema).optional().meta({
    description: 'Observed by these agents, separated by commas.',
  }),
  hostname: z
    .string()
    .min(1)
    .max(255)
    .optional()
    .meta({ description: 'Of the agents with exactly this hostname.' }),
  sessionId: identifierSchema.optional().meta({
    description: 'Of one trace session. Hosts whose clock is off by more than an hour are missed.',
  }),
  processName: z.string().min(1).max(255).optional().meta({ description: 'Exactly as in /proc/PID/comm.' }),
};
const recordFilterSchema = z.strictObject(recordFilterFields);
export type RecordFilter = z.output<typeof recordFilterSchema>;

export const minLatencyMsSchema = queryMillisecondsSchema.optional();

export const RECORD_ORDERS = ['-observedAt', '-latencyUs'] as const;
export type RecordOrder = (typeof RECORD_ORDERS)[number];

export const recordOrderSchema = z
  .enum(RECORD_ORDERS, `expected ${RECORD_ORDERS.join(' or ')}`)
  .default('-observedAt');

/** One of these names, in a query string or a body. */
export function oneOf<const T extends readonly string[]>(names: T) {
  return z.enum(
    names,
    names.length > 2 ? `expected one of ${names.join(', ')}` : `expected ${names.join(' or ')}`,
  );
}
