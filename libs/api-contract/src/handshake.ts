import { z } from 'zod';
import { addressSchema, endpointSchema, portSchema, prefixSchema } from './shared/address.js';
import { identifierOutputSchema, identifierSchema } from './shared/identifier.js';
import { listSchema, lossSchema, pageQuery } from './shared/list.js';
import { queryInteger, queryList, queryMillisecondsSchema } from './shared/query-values.js';
import { timeExpressionSchema, timestampSchema } from './shared/time.js';

export const HANDSHAKE_ROLES = ['client', 'server'] as const;
export type HandshakeRoleName = (typeof HANDSHAKE_ROLES)[number];

export const HANDSHAKE_OUTCOMES = [
  'established',
  'refused',
  'timed_out',
  'unreachable',
  'aborted',
  'reset',
] as const;
export type HandshakeOutcomeName = (typeof HANDSHAKE_OUTCOMES)[number];

export const HANDSHAKE_FLAGS = [
  'syn_cookie',
  'fast_open',
  'mptcp',
  'not_yet_accepted',
  'simultaneous_open',
] as const;
export type HandshakeFlagName = (typeof HANDSHAKE_FLAGS)[number];

const countSchema = z.int().min(0);
const microsecondsSchema = z.int().min(0);

export const processSchema = z
  .strictObject({
    pid: z.int().nullable().meta({ description: 'In the namespace of the host.' }),
    name: z
      .string()
      .nullable()
      .meta({ description: 'As in /proc/PID/comm. Chosen by the process: escape it.' }),
    cgroupId: z.int().nullable().meta({ description: 'cgroup v2 id.' }),
    containerId: z.string().nullable(),
  })
  .meta({ id: 'Process', description: 'Who called connect() or accept(); null is not known.' });

const handshakeFields = {
  id: identifierOutputSchema,
  observedAt: timestampSchema.meta({
    description: 'When it was established or had failed, by the clock of the host.',
  }),
  agentId: z.guid(),
  hostname: z
    .string()
    .nullable()
    .meta({ description: 'As the agent reports it; null if the agent is not known any more.' }),
  sessionIds: z.array(z.guid()).meta({ description: 'The trace sessions that it matched.' }),
  role: z.enum(HANDSHAKE_ROLES),
  outcome: z.enum(HANDSHAKE_OUTCOMES).meta({
    description:
      '`refused`: RST in answer to the SYN; `timed_out`: the kernel gave up; `unreachable`: ICMP, or no route; `aborted`: the application gave up before an answer; `reset`: RST after the first answer.',
  }),
  family: z.enum(['ipv4', 'ipv6']),
  local: endpointSchema,
  remote: endpointSchema,
  process: processSchema,
  latencyUs: microsecondsSchema.nullable().meta({
    description:
      'Client: SYN_SENT to ESTABLISHED or to the failure. Server: SYN_RECV to ESTABLISHED; null on the SYN-cookie path and for what was never completed.',
  }),
  synRetransmits: countSchema.nullable(),
  synAckRetransmits: countSchema.nullable(),
  srttUs: microsecondsSchema
    .nullable()
    .meta({ description: 'The kernel’s smoothed round-trip time at that moment.' }),
  acceptWaitUs: microsecondsSchema
    .nullable()
    .meta({ description: 'Server: ESTABLISHED to the return of accept().' }),
  clientIsn: countSchema.nullable().meta({ description: 'Initial sequence number of the client.' }),
  serverIsn: countSchema.nullable().meta({ description: 'Initial sequence number of the server.' }),
  netns: countSchema.nullable().meta({ description: 'Inode of the network namespace.' }),
  flags: z
    .array(z.enum(HANDSHAKE_FLAGS))
    .meta({ description: 'What was special about it; empty as a rule.' }),
};

export const handshakeSchema = z
  .strictObject(handshakeFields)
  .meta({ id: 'Handshake', description: 'One TCP handshake as one side saw it.' });
export type Handshake = z.output<typeof handshakeSchema>;

const peerSchema = z
  .strictObject({
    handshakeId: z.guid(),
    agentId: z.guid(),
    hostname: z.string().nullable(),
    match: z.enum(['exact', 'probable']),
  })
  .meta({ id: 'HandshakePeer', description: 'The record of the other end.' });

const breakdownPartSchema = z.strictObject({ us: microsecondsSchema.nullable(), derivedFrom: z.string() });
const breakdownSchema = z
  .strictObject({
    networkRoundTrip: breakdownPartSchema,
    lostSynWait: breakdownPartSchema,
    lostSynAckWait: breakdownPartSchema,
    serverQueue: breakdownPartSchema,
    acceptWait: breakdownPartSchema,
  })
  .meta({ id: 'HandshakeBreakdown', description: 'Where the time went, from the records of both ends.' });

export const handshakeDetailSchema = z
  .strictObject({
    ...handshakeFields,
    peer: peerSchema.nullable().meta({ description: 'Null if the other end is not known.' }),
    breakdown: breakdownSchema.nullable().meta({ description: 'Null unless both ends are known.' }),
  })
  .meta({ id: 'HandshakeDetail' });
export type HandshakeDetail = z.output<typeof handshakeDetailSchema>;

const filterFields = {
  since: timeExpressionSchema.optional().meta({
    description:
      'Observed at or after: RFC 3339 or a length of time before now. An hour before `until` if left out; with `sessionId`, all that is kept.',
    example: '1h',
  }),
  until: timeExpressionSchema.optional().meta({ description: 'Observed before.' }),
  minLatencyMs: queryMillisecondsSchema.optional().meta({
    description:
      'Least `latencyUs`, in milliseconds with decimals. What has no latency is left out. From 20 on, an index answers.',
  }),
  role: queryList(z.enum(HANDSHAKE_ROLES, `expected ${HANDSHAKE_ROLES.join(' or ')}`)).optional(),
  outcome: queryList(
    z.enum(HANDSHAKE_OUTCOMES, `expected one of ${HANDSHAKE_OUTCOMES.join(', ')}`),
  ).optional(),
  agentId: queryList(identifierSchema).optional(),
  hostname: z
    .string()
    .min(1)
    .max(255)
    .optional()
    .meta({ description: 'Of the agents with exactly this hostname.' }),
  sessionId: identifierSchema.optional().meta({
    description: 'Of one trace session. Hosts whose clock is off by more than an hour are missed.',
  }),
  remoteAddress: z
    .union(
      [addressSchema, prefixSchema],
      'expected an address such as 192.0.2.7 or a prefix such as 192.0.2.0/24',
    )
    .optional()
    .meta({ description: 'Address or prefix.', example: '192.0.2.0/24' }),
  remotePort: queryList(queryPort()).optional(),
  localPort: queryList(queryPort()).optional(),
  processName: z.string().min(1).max(255).optional().meta({ description: 'Exactly as in /proc/PID/comm.' }),
};

function queryPort() {
  return z.preprocess(
    (value) => (typeof value === 'string' && /^\d{1,5}$/.test(value) ? Number(value) : value),
    portSchema,
  );
}

export const handshakeFilterSchema = z.strictObject(filterFields);
export type HandshakeFilter = z.output<typeof handshakeFilterSchema>;

export const HANDSHAKE_ORDERS = ['-observedAt', '-latencyUs'] as const;

export const handshakeListQuerySchema = z.strictObject({
  ...filterFields,
  ...pageQuery,
  order: z
    .enum(HANDSHAKE_ORDERS, `expected ${HANDSHAKE_ORDERS.join(' or ')}`)
    .default('-observedAt')
    .meta({ description: 'Newest first, or slowest first with those of unknown latency at the end.' }),
});
export type HandshakeListQuery = z.output<typeof handshakeListQuerySchema>;
export const handshakeListSchema = listSchema('HandshakeList', handshakeSchema);

export const HANDSHAKE_GROUP_KEYS = [
  'agentId',
  'hostname',
  'role',
  'outcome',
  'remoteAddress',
  'remotePort',
  'localPort',
  'processName',
  'sessionId',
] as const;
export type HandshakeGroupKey = (typeof HANDSHAKE_GROUP_KEYS)[number];

export const HANDSHAKE_SUMMARY_ORDERS = [
  '-count',
  '-failed',
  '-p50',
  '-p90',
  '-p99',
  '-max',
  '-mean',
] as const;

export const handshakeSummaryQuerySchema = z.strictObject({
  ...filterFields,
  groupBy: queryList(z.enum(HANDSHAKE_GROUP_KEYS, `expected one of ${HANDSHAKE_GROUP_KEYS.join(', ')}`))
    .optional()
    .meta({
      description: `Any of ${HANDSHAKE_GROUP_KEYS.join(', ')}, separated by commas; one group of everything if left out.`,
    }),
  order: z
    .enum(HANDSHAKE_SUMMARY_ORDERS, `expected one of ${HANDSHAKE_SUMMARY_ORDERS.join(', ')}`)
    .default('-count'),
  limit: queryInteger(1, 1_000).default(100).meta({ description: 'How many groups at most.' }),
});
export type HandshakeSummaryQuery = z.output<typeof handshakeSummaryQuerySchema>;

export const latencyStatisticsSchema = z
  .strictObject({
    p50: microsecondsSchema.nullable(),
    p90: microsecondsSchema.nullable(),
    p99: microsecondsSchema.nullable(),
    max: microsecondsSchema.nullable(),
    mean: microsecondsSchema.nullable(),
  })
  .meta({
    id: 'LatencyStatistics',
    description:
      'Microseconds, over the records whose latency is known; null if there are none. Percentiles are exact (nearest rank).',
  });

export const handshakeSummaryItemSchema = z
  .strictObject({
    group: z
      .record(z.string(), z.union([z.string(), z.int()]).nullable())
      .meta({ description: 'The values of `groupBy`; null is a group too.' }),
    count: countSchema,
    failed: countSchema.meta({ description: 'Of those, with another outcome than `established`.' }),
    latencyUs: latencyStatisticsSchema,
  })
  .meta({ id: 'HandshakeSummaryItem' });
export type HandshakeSummaryItem = z.output<typeof handshakeSummaryItemSchema>;

export const handshakeSummarySchema = z
  .strictObject({
    items: z.array(handshakeSummaryItemSchema),
    truncated: z.boolean().meta({ description: 'Whether there are more groups than `limit`.' }),
    loss: lossSchema,
  })
  .meta({ id: 'HandshakeSummary' });
export type HandshakeSummary = z.output<typeof handshakeSummarySchema>;

const STEP = /^(\d{1,5})(s|m|h|d)$/;
const SECONDS_OF_UNIT: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 };

/** A length of time such as `1m`, in seconds. */
const stepSchema = z
  .string()
  .transform((text, context) => {
    const match = STEP.exec(text);
    const seconds = Number(match?.[1]) * (SECONDS_OF_UNIT[match?.[2] ?? ''] ?? Number.NaN);
    if (seconds >= 1 && seconds <= 86_400) return seconds;
    context.addIssue('expected a length of time from 1s to 1d, such as 10s, 1m or 1h');
    return z.NEVER;
  })
  .meta({ description: 'Width of a column: `1s` to `1d`.', example: '1m' });

export const handshakeHeatmapQuerySchema = z.strictObject({
  ...filterFields,
  step: stepSchema.prefault('1m'),
});
export type HandshakeHeatmapQuery = z.output<typeof handshakeHeatmapQuerySchema>;

export const handshakeHeatmapSchema = z
  .strictObject({
    stepSeconds: z.int(),
    buckets: z.array(z.strictObject({ fromUs: microsecondsSchema, untilUs: microsecondsSchema })).meta({
      description: 'Latency of each bucket, ascending; `untilUs` is outside. Only the range that occurs.',
    }),
    items: z
      .array(
        z.strictObject({
          startsAt: timestampSchema,
          counts: z.array(countSchema).meta({ description: 'One per bucket.' }),
          unknown: countSchema.meta({ description: 'Without a known latency.' }),
        }),
      )
      .meta({ description: 'Ascending; a step without handshakes is left out.' }),
    loss: lossSchema,
  })
  .meta({ id: 'HandshakeHeatmap' });
export type HandshakeHeatmap = z.output<typeof handshakeHeatmapSchema>;
