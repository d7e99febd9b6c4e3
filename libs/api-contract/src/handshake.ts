import { z } from 'zod';
import { addressOrPrefixSchema, endpointSchema } from './shared/address.js';
import { listSchema, lossSchema, pageQuery } from './shared/list.js';
import { queryList, queryPort } from './shared/query-values.js';
import {
  countSchema,
  microsecondsSchema,
  minLatencyMsSchema,
  oneOf,
  recordFields,
  recordFilterFields,
  recordOrderSchema,
} from './shared/record.js';
import { summaryFields, summaryItemFields, summarySchema } from './shared/summary.js';
import { timestampSchema } from './shared/time.js';

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

const handshakeFields = {
  id: recordFields.id,
  observedAt: timestampSchema.meta({
    description: 'When it was established or had failed, by the clock of the host.',
  }),
  agentId: recordFields.agentId,
  hostname: recordFields.hostname,
  sessionIds: recordFields.sessionIds,
  role: z.enum(HANDSHAKE_ROLES).meta({
    description: '`client`: the host that began the connection; `server`: the one that accepted it.',
  }),
  outcome: z.enum(HANDSHAKE_OUTCOMES).meta({
    description:
      '`refused`: RST in answer to the SYN; `timed_out`: the kernel gave up; `unreachable`: ICMP, or no route; `aborted`: the application gave up before an answer; `reset`: RST after the first answer.',
  }),
  family: z.enum(['ipv4', 'ipv6']).meta({ description: 'Of the addresses.' }),
  local: endpointSchema,
  remote: endpointSchema,
  process: recordFields.process,
  latencyUs: microsecondsSchema.nullable().meta({
    description:
      'Client: SYN_SENT to ESTABLISHED or to the failure. Server: SYN_RECV to ESTABLISHED; null on the SYN-cookie path and for what was never completed.',
  }),
  synRetransmits: countSchema.nullable().meta({ description: 'SYNs sent again; null is not known.' }),
  synAckRetransmits: countSchema.nullable().meta({ description: 'SYN-ACKs sent again; null is not known.' }),
  srttUs: microsecondsSchema
    .nullable()
    .meta({ description: 'The kernel’s smoothed round-trip time at that moment.' }),
  acceptWaitUs: microsecondsSchema
    .nullable()
    .meta({ description: 'Server: ESTABLISHED to the return of accept().' }),
  clientIsn: countSchema.nullable().meta({ description: 'Initial sequence number of the client.' }),
  serverIsn: countSchema.nullable().meta({ description: 'Initial sequence number of the server.' }),
  netns: recordFields.netns,
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
    handshakeId: z.guid().meta({ description: 'Its id.' }),
    agentId: z.guid().meta({ description: 'The agent that observed it.' }),
    hostname: z.string().nullable().meta({ description: 'Of that agent.' }),
    match: z.enum(['exact', 'probable']).meta({
      description:
        'Both have the same initial sequence numbers. `exact`: addresses and ports agree, too; `probable`: they do not, as behind NAT, but the times fit and no other record does.',
    }),
  })
  .meta({ id: 'HandshakePeer', description: 'The record of the other end.' });

const breakdownPart = (description: string) =>
  z
    .strictObject({
      us: microsecondsSchema.nullable().meta({ description: 'Microseconds; null is not known.' }),
      derivedFrom: z
        .string()
        .meta({ description: 'What it was computed from, or why it is not known; a sentence for people.' }),
    })
    .meta({ description });
const breakdownSchema = z
  .strictObject({
    networkRoundTrip: breakdownPart('The way there and back, of the packets that got through.'),
    lostSynWait: breakdownPart(
      'From the first SYN to the one that the server took: those before were lost, or refused by a full queue.',
    ),
    lostSynAckWait: breakdownPart('From the first SYN-ACK to the one that reached the client.'),
    serverQueue: breakdownPart(
      'How long the request stayed in the server’s SYN queue after its answer should have come: the ACK was lost, dropped by a full accept queue, or waited for data (TCP_DEFER_ACCEPT).',
    ),
    acceptWait: breakdownPart('In the accept queue: from ESTABLISHED to the return of accept().'),
  })
  .meta({ id: 'HandshakeBreakdown', description: 'Where the time went, from the records of both ends.' });
export type HandshakeBreakdown = z.output<typeof breakdownSchema>;

const stageSchema = (description: string) =>
  z
    .strictObject({
      us: microsecondsSchema.meta({ description: 'Microseconds.' }),
      uncertaintyUs: microsecondsSchema.meta({
        description: 'It may be this much less or more, microseconds; 0 if both ends have one clock.',
      }),
    })
    .nullable()
    .meta({ description });
const stagesSchema = z
  .strictObject({
    synSentToSynRecv: stageSchema(
      'From the client’s first SYN until the server took one; null if the clocks of the two hosts are not known well enough.',
    ),
    synRecvToEstablished: stageSchema(
      'From there until the client was established; null likewise. Both together are the client’s `latencyUs`.',
    ),
    derivedFrom: z.string().meta({ description: 'Whose clocks, or why there are none.' }),
  })
  .meta({
    id: 'HandshakeStages',
    description: 'The handshake in two stages, from the records of both ends.',
  });
export type HandshakeStages = z.output<typeof stagesSchema>;

export const handshakeDetailSchema = z
  .strictObject({
    ...handshakeFields,
    peer: peerSchema.nullable().meta({
      description: 'Null if the other end was not traced, or is not known (yet, within seconds).',
    }),
    breakdown: breakdownSchema.nullable().meta({ description: 'Null unless both ends are known.' }),
    stages: stagesSchema.nullable().meta({ description: 'Null unless both ends are known.' }),
  })
  .meta({ id: 'HandshakeDetail' });
export type HandshakeDetail = z.output<typeof handshakeDetailSchema>;

const filterFields = {
  ...recordFilterFields,
  minLatencyMs: minLatencyMsSchema.meta({
    description:
      'Least `latencyUs`, in milliseconds with decimals. What has no latency is left out. From 20 on, an index answers.',
  }),
  role: queryList(oneOf(HANDSHAKE_ROLES)).optional().meta({
    description: 'Of the observing host: `client`, `server`.',
    example: 'client',
  }),
  outcome: queryList(oneOf(HANDSHAKE_OUTCOMES))
    .optional()
    .meta({
      description: `How it ended: any of ${HANDSHAKE_OUTCOMES.join(', ')}, separated by commas.`,
      example: 'timed_out,refused',
    }),
  remoteAddress: addressOrPrefixSchema.optional().meta({
    description: 'Address or prefix of the peer.',
    example: '192.0.2.0/24',
  }),
  remotePort: queryList(queryPort()).optional().meta({
    description: 'Ports of the peer, separated by commas.',
    example: '443',
  }),
  localPort: queryList(queryPort()).optional().meta({
    description: 'Ports of the observing host, separated by commas.',
    example: '5432',
  }),
};

export const handshakeFilterSchema = z.strictObject(filterFields);
export type HandshakeFilter = z.output<typeof handshakeFilterSchema>;

export const handshakeListQuerySchema = z.strictObject({
  ...filterFields,
  ...pageQuery,
  order: recordOrderSchema.meta({
    description: 'Newest first, or slowest first with those of unknown latency at the end.',
  }),
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

export const handshakeSummaryQuerySchema = z.strictObject({
  ...filterFields,
  ...summaryFields(HANDSHAKE_GROUP_KEYS),
});
export type HandshakeSummaryQuery = z.output<typeof handshakeSummaryQuerySchema>;

export const handshakeSummaryItemSchema = z
  .strictObject(summaryItemFields('Of those, with another outcome than `established`.', {}))
  .meta({ id: 'HandshakeSummaryItem' });
export type HandshakeSummaryItem = z.output<typeof handshakeSummaryItemSchema>;
export const handshakeSummarySchema = summarySchema('HandshakeSummary', handshakeSummaryItemSchema);
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
    stepSeconds: z.int().meta({ description: 'Width of a step, seconds.' }),
    buckets: z
      .array(
        z.strictObject({
          fromUs: microsecondsSchema.meta({ description: 'Least latency, inclusive.' }),
          untilUs: microsecondsSchema.meta({ description: 'Where the next begins.' }),
        }),
      )
      .meta({
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
