import { z } from 'zod';
import { queryNameSchema } from './dns/query-name.js';
import { queryTypeSchema } from './dns/query-types.js';
import { responseCodeSchema } from './dns/response-codes.js';
import { addressOrPrefixSchema, endpointSchema } from './shared/address.js';
import { listSchema, pageQuery } from './shared/list.js';
import { queryInteger, queryList } from './shared/query-values.js';
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

// In the order of the numbers in proto/synscope/agent/v1/session.proto, from 1.
export const DNS_SIDES = ['client', 'resolver'] as const;
export const DNS_TRANSPORTS = ['udp', 'tcp'] as const;
export const DNS_OUTCOMES = ['answered', 'late', 'unanswered'] as const;
export const DNS_LATE_REASONS = ['asked_again', 'socket_closed'] as const;

/** What was odd about the messages. */
export const DNS_FLAGS = ['several_questions', 'answer_without_question'] as const;
export type DnsFlagName = (typeof DNS_FLAGS)[number];

const presentation =
  'Presentation format (RFC 1035 §5.1): lower case, without the final dot, the root as `.`; bytes that are not printable ASCII as `\\DDD`, a dot or backslash within a label behind a backslash. Or what the agent’s privacy policy has made of it.';

export const dnsQuerySchema = z
  .strictObject({
    id: recordFields.id,
    observedAt: timestampSchema.meta({
      description: 'When it was answered or given up, by the clock of the host.',
    }),
    queriedAt: timestampSchema.meta({ description: 'When the query was seen, by the clock of the host.' }),
    agentId: recordFields.agentId,
    hostname: recordFields.hostname,
    sessionIds: recordFields.sessionIds,
    side: z.enum(DNS_SIDES).meta({
      description:
        '`client`: the host that asked, query out to answer in. `resolver`: the host that was asked, query in to answer out.',
    }),
    transport: z.enum(DNS_TRANSPORTS).meta({ description: 'Of the query and its answer.' }),
    client: endpointSchema,
    server: endpointSchema,
    process: recordFields.process,
    queryName: z.string().meta({ description: presentation, example: 'www.example.com' }),
    queryType: z.string().meta({
      description: 'Mnemonic of the IANA registry "Resource Record (RR) TYPEs", or TYPEn (RFC 3597 §5).',
      example: 'AAAA',
    }),
    queryClass: z.string().meta({ description: 'Mnemonic, or CLASSn (RFC 3597 §5).', example: 'IN' }),
    messageId: z.int().min(0).max(65_535).meta({ description: 'ID of the message’s header.' }),
    outcome: z.enum(DNS_OUTCOMES).meta({
      description:
        '`answered`: in time. `late`: answered after the client had asked again or had closed its socket. `unanswered`: no answer within the agent’s deadline, 30 s unless it was set otherwise. Each query ends in exactly one of them, or in the counted loss.',
    }),
    lateReason: z.enum(DNS_LATE_REASONS).nullable().meta({
      description:
        'Why the answer was late: `asked_again` before it came, or `socket_closed`, which is also said if both are true; null unless the outcome is `late`.',
    }),
    responseCode: z.string().nullable().meta({
      description:
        'Mnemonic of the IANA registry "DNS RCODEs", or RCODEn, with the extended bits of EDNS; null without an answer.',
      example: 'NOERROR',
    }),
    latencyUs: microsecondsSchema
      .nullable()
      .meta({ description: 'Query to answer, microseconds; null without an answer.' }),
    attempt: z.int().min(1).nullable().meta({
      description:
        'From 1, rising with each retry of the same question within a lookup; null on the resolver’s side.',
    }),
    lookupId: z
      .string()
      .regex(/^[0-9a-f]{13}$/)
      .nullable()
      .meta({
        description:
          'The same for all queries of one lookup on one agent: its retries, and its A and AAAA. 13 hexadecimal digits; null on the resolver’s side.',
        example: '00000000a41f7',
      }),
    answerCount: countSchema.nullable().meta({
      description: 'Records in the answer section (ANCOUNT); null without an answer.',
    }),
    truncated: z.boolean().meta({ description: 'The answer was cut to fit a datagram (TC).' }),
    netns: recordFields.netns,
    flags: z.array(z.enum(DNS_FLAGS)).meta({
      description:
        'Empty as a rule. `several_questions`: only the first is reported. `answer_without_question`: matched by ID, ports and addresses alone.',
    }),
  })
  .meta({ id: 'DnsQuery', description: 'One DNS query as one side saw it, with what became of it.' });
export type DnsQuery = z.output<typeof dnsQuerySchema>;

const filterFields = {
  ...recordFilterFields,
  minLatencyMs: minLatencyMsSchema.meta({
    description:
      'Waited for at least this long, in milliseconds with decimals. An unanswered query was waited for until it was given up, so these pass. From 20 on, an index answers.',
  }),
  outcome: queryList(oneOf(DNS_OUTCOMES))
    .optional()
    .meta({
      description: `How it ended: any of ${DNS_OUTCOMES.join(', ')}, separated by commas.`,
      example: 'late,unanswered',
    }),
  queryName: queryList(queryNameSchema, 64).optional().meta({
    description:
      'Exactly these names, separated by commas, in presentation format: any case, with or without the final dot, international names too. A comma within a name is `\\044`.',
    example: 'www.example.com',
  }),
  queryNameSuffix: queryList(queryNameSchema, 64).optional().meta({
    description:
      'These names and everything below them, whole labels only: `example.com` covers `www.example.com`, not `badexample.com`.',
    example: 'example.com',
  }),
  queryType: queryList(queryTypeSchema, 32).optional().meta({
    description: 'By mnemonic or number: `A,AAAA,TYPE65`.',
    example: 'AAAA',
  }),
  responseCode: queryList(responseCodeSchema, 32).optional().meta({
    description: 'By mnemonic or number: `SERVFAIL,RCODE11`. A query without an answer has none.',
    example: 'SERVFAIL',
  }),
  serverAddress: addressOrPrefixSchema.optional().meta({
    description: 'Address or prefix of the server that was asked.',
    example: '192.0.2.53',
  }),
  clientAddress: addressOrPrefixSchema.optional().meta({
    description: 'Address or prefix of who asked.',
    example: '192.0.2.0/24',
  }),
  side: queryList(oneOf(DNS_SIDES)).optional().meta({
    description: 'Seen where it was asked (`client`), or where it was answered (`resolver`).',
    example: 'client',
  }),
  transport: queryList(oneOf(DNS_TRANSPORTS)).optional().meta({
    description: 'By `udp` or `tcp`.',
    example: 'tcp',
  }),
  lookupId: z
    .string()
    .regex(/^[0-9a-fA-F]{13}$/, 'expected 13 hexadecimal digits')
    .transform((text) => text.toLowerCase())
    .pipe(z.string())
    .optional()
    .meta({ description: 'All queries of one lookup. Give `agentId` too: another agent may use the same.' }),
};
const dnsQueryFilterSchema = z.strictObject(filterFields);
export type DnsQueryFilter = z.output<typeof dnsQueryFilterSchema>;

export const dnsQueryListQuerySchema = z.strictObject({
  ...filterFields,
  ...pageQuery,
  order: recordOrderSchema.meta({
    description:
      'Newest first, or slowest first, where an unanswered query counts with the time after which it was given up.',
  }),
});
export type DnsQueryListQuery = z.output<typeof dnsQueryListQuerySchema>;
export const dnsQueryListSchema = listSchema('DnsQueryList', dnsQuerySchema);

export const DNS_QUERY_GROUP_KEYS = [
  'queryName',
  'queryNameSuffix',
  'serverAddress',
  'clientAddress',
  'queryType',
  'responseCode',
  'outcome',
  'side',
  'transport',
  'agentId',
  'hostname',
  'processName',
  'sessionId',
] as const;
export type DnsQueryGroupKey = (typeof DNS_QUERY_GROUP_KEYS)[number];

export const dnsQuerySummaryQuerySchema = z.strictObject({
  ...filterFields,
  ...summaryFields(DNS_QUERY_GROUP_KEYS),
  suffixLabels: queryInteger(1, 20).default(2).meta({
    description:
      'With the group key `queryNameSuffix`: how many labels, counted from the right, a suffix has at most.',
  }),
});
export type DnsQuerySummaryQuery = z.output<typeof dnsQuerySummaryQuerySchema>;

export const dnsQuerySummaryItemSchema = z
  .strictObject(
    summaryItemFields(
      'Of those, answered late, not answered, or answered with another response code than NOERROR and NXDOMAIN.',
      {
        unanswered: countSchema.meta({ description: 'Of those, never answered. They have no latency.' }),
        late: countSchema.meta({
          description: 'Of those, answered late. Their true latency is in `latencyUs`.',
        }),
      },
    ),
  )
  .meta({ id: 'DnsQuerySummaryItem' });
export type DnsQuerySummaryItem = z.output<typeof dnsQuerySummaryItemSchema>;
export const dnsQuerySummarySchema = summarySchema('DnsQuerySummary', dnsQuerySummaryItemSchema);
export type DnsQuerySummary = z.output<typeof dnsQuerySummarySchema>;
