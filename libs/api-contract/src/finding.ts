import { z } from 'zod';
import { addressOrPrefixSchema, portSchema } from './shared/address.js';
import { identifierOutputSchema, identifierSchema } from './shared/identifier.js';
import { listSchema, pageQuery } from './shared/list.js';
import { queryList, queryPort } from './shared/query-values.js';
import { countSchema, microsecondsSchema, oneOf } from './shared/record.js';
import { timeExpressionSchema, timestampSchema } from './shared/time.js';

/** What may be found. Stable: programs depend on them. docs/findings.md says what each means. */
export const FINDING_CODES = [
  'accept_queue_full',
  'syn_queue_full',
  'syn_cookies_active',
  'ack_dropped_by_full_queue',
  'syn_lost_on_path',
  'synack_lost',
  'ack_lost',
  'port_closed',
  'filtered',
  'application_gave_up',
  'slow_accept',
  'resolver_overloaded',
  'resolver_slow_upstream',
  'dns_lost_on_path',
  'name_slow',
  'unexplained',
] as const;
export type FindingCode = (typeof FINDING_CODES)[number];

export const FINDING_SEVERITIES = ['info', 'warning', 'critical'] as const;
export type FindingSeverity = (typeof FINDING_SEVERITIES)[number];

export const FINDING_STATES = ['open', 'acknowledged', 'resolved'] as const;
export type FindingState = (typeof FINDING_STATES)[number];

export const FINDING_SUBJECT_KINDS = ['listener', 'path', 'resolver', 'name', 'host'] as const;
export type FindingSubjectKind = (typeof FINDING_SUBJECT_KINDS)[number];

const findingCodeSchema = z.enum(FINDING_CODES).meta({
  id: 'FindingCode',
  description: 'The cause, or `unexplained`. docs/findings.md says what each means. Stable.',
});
const findingSeveritySchema = z.enum(FINDING_SEVERITIES).meta({
  id: 'FindingSeverity',
  description: '`critical`: connections fail or are lost; `warning`: they are slow; `info`: worth knowing.',
});

export const findingSubjectSchema = z
  .strictObject({
    kind: z.enum(FINDING_SUBJECT_KINDS).meta({
      description:
        '`listener`: a listening socket, or all of a SO_REUSEPORT group. `path`: the way to an address and port. `resolver`: a DNS server. `name`: a domain name as one server answers it. `host`: a host.',
    }),
    agentId: z.guid().nullable().meta({
      description:
        'The agent on the host of the listener or resolver; null if no agent is known to trace that host.',
    }),
    hostname: z.string().nullable().meta({ description: 'Of that agent.' }),
    address: z.string().nullable().meta({
      description: 'IPv4 or IPv6. Of a listener: what it is bound to, `0.0.0.0` or `::` for all addresses.',
      example: '192.0.2.7',
    }),
    port: portSchema.nullable().meta({ description: '0–65535.', example: 443 }),
    name: z
      .string()
      .nullable()
      .meta({ description: 'The domain name, or the process that listens.', example: 'nginx' }),
    netns: countSchema
      .nullable()
      .meta({ description: 'Inode of the network namespace of a listener or resolver; null is not known.' }),
  })
  .meta({ id: 'FindingSubject', description: 'What has the problem.' });
export type FindingSubject = z.output<typeof findingSubjectSchema>;

export const FINDING_RECORD_KINDS = [
  'handshake',
  'dns_query',
  'listener_sample',
  'receive_queue_drop',
] as const;
export type FindingRecordKind = (typeof FINDING_RECORD_KINDS)[number];

export const findingRecordSchema = z
  .strictObject({
    kind: z.enum(FINDING_RECORD_KINDS).meta({ description: 'Which kind of record.' }),
    id: z.guid().meta({ description: 'Its id.' }),
    href: z.string().meta({
      description: 'Where this API shows it, as long as records are kept.',
      example: '/api/v1/handshakes/01890a5d-ac96-774b-bcce-b302099a8057',
    }),
  })
  .meta({ id: 'FindingRecord', description: 'A record that was seen.' });
export type FindingRecord = z.output<typeof findingRecordSchema>;

export const findingEvidenceSchema = z
  .strictObject({
    observation: z
      .string()
      .meta({ description: 'What was observed, with its unit.', example: 'SYNs refused: accept queue full' }),
    value: z.union([z.number(), z.string()]).meta({
      description: 'How much. Counts are since the finding opened; of several, the largest or latest.',
      example: 37,
    }),
    records: z
      .array(findingRecordSchema)
      .meta({ description: 'The latest records that show it, at most 5; empty for what is not a record.' }),
  })
  .meta({ id: 'FindingEvidence' });
export type FindingEvidence = z.output<typeof findingEvidenceSchema>;

export const findingAdviceSchema = z
  .strictObject({
    what: z.string().meta({ description: 'What to change.', example: 'net.core.somaxconn' }),
    now: z.string().nullable().meta({
      description: 'Its present value on that host; null if it was not seen.',
      example: '128',
    }),
    suggested: z.string().meta({
      description: 'What to change it to.',
      example: 'sysctl -w net.core.somaxconn=1024',
    }),
  })
  .meta({ id: 'FindingAdvice' });
export type FindingAdvice = z.output<typeof findingAdviceSchema>;

export const findingImpactSchema = z
  .strictObject({
    clients: countSchema.meta({
      description: 'Client addresses that it hurt; from 1,000 on no more are told apart.',
    }),
    hosts: countSchema.meta({
      description: 'Hosts with agents that saw it; from 1,000 on no more are told apart.',
    }),
    handshakes: countSchema.meta({
      description: 'Slow or failed handshakes, or DNS queries, that it explains.',
    }),
    addedLatencyUs: microsecondsSchema.meta({
      description: 'What these took longer, altogether, as far as it was measured. Microseconds.',
    }),
  })
  .meta({ id: 'FindingImpact', description: 'Whom it hurts, since it opened.' });

export const findingSchema = z
  .strictObject({
    id: identifierOutputSchema,
    code: findingCodeSchema,
    severity: findingSeveritySchema,
    state: z.enum(FINDING_STATES).meta({
      description:
        '`open`; `acknowledged`: somebody is at it; `resolved`: by somebody, or by itself when no evidence came for a while. New evidence opens it again.',
    }),
    title: z.string().meta({ description: 'One line for people.' }),
    subject: findingSubjectSchema,
    firstSeenAt: timestampSchema.meta({ description: 'When it opened for the first time.' }),
    openedAt: timestampSchema.meta({
      description: 'When it opened last; `impact` and `evidence` are since then.',
    }),
    lastSeenAt: timestampSchema.meta({ description: 'When evidence came last.' }),
    acknowledgedAt: timestampSchema
      .nullable()
      .meta({ description: 'When somebody took it on; null if nobody has.' }),
    resolvedAt: timestampSchema
      .nullable()
      .meta({ description: 'When it was resolved; null while it is not.' }),
    occurrences: z.int().min(1).meta({ description: 'How often it has opened.' }),
    impact: findingImpactSchema,
    evidence: z.array(findingEvidenceSchema).meta({ description: 'What was seen.' }),
    wouldBeRefutedBy: z.string().meta({ description: 'What would prove it wrong.' }),
    advice: z.array(findingAdviceSchema).meta({ description: 'What to do, most effective first.' }),
  })
  .meta({ id: 'Finding', description: 'Why handshakes or DNS are slow, with its evidence.' });
export type Finding = z.output<typeof findingSchema>;

export const findingListQuerySchema = z.strictObject({
  state: queryList(oneOf(FINDING_STATES)).optional().meta({
    description: 'Any of open, acknowledged, resolved, separated by commas.',
    example: 'open,acknowledged',
  }),
  code: queryList(oneOf(FINDING_CODES)).optional().meta({
    description: 'Any of the codes, separated by commas.',
    example: 'accept_queue_full',
  }),
  severity: queryList(oneOf(FINDING_SEVERITIES)).optional().meta({
    description: 'Any of info, warning, critical, separated by commas.',
    example: 'warning,critical',
  }),
  agentId: queryList(identifierSchema).optional().meta({
    description: 'About hosts of these agents, or seen by them; separated by commas.',
  }),
  hostname: z.string().min(1).max(255).optional().meta({
    description: 'About hosts with exactly this name, or seen by them.',
  }),
  address: addressOrPrefixSchema.optional().meta({ description: 'Address or prefix of the subject.' }),
  port: queryList(queryPort()).optional().meta({
    description: 'Ports of the subject, separated by commas.',
    example: '443',
  }),
  name: z.string().min(1).max(1_004).optional().meta({
    description: 'Exactly the domain name, or the process, of the subject.',
  }),
  since: timeExpressionSchema.optional().meta({ description: 'With evidence at or after this time.' }),
  ...pageQuery,
});
export type FindingListQuery = z.output<typeof findingListQuerySchema>;
export const findingListSchema = listSchema('FindingList', findingSchema);

export const findingChangeSchema = z
  .strictObject({
    comment: z.string().trim().min(1).max(2_000).optional().meta({
      description: 'For the audit log, at most 2,000 characters.',
      example: 'raised the backlog, see OPS-123',
    }),
  })
  .meta({ id: 'FindingChange' });
export type FindingChange = z.output<typeof findingChangeSchema>;

export const findingRuleSchema = z
  .strictObject({
    code: findingCodeSchema,
    looksFor: z.string().meta({ description: 'What the rule looks for.' }),
    needs: z.array(z.string()).meta({ description: 'The evidence that it needs, all of it.' }),
    wouldBeRefutedBy: z.string().meta({ description: 'What would prove it wrong.' }),
    failures: countSchema.meta({
      description: 'How often the rule itself has failed, and judged nothing. The others go on.',
    }),
    lastFailure: z.string().nullable().meta({ description: 'Why it failed last; null if it never did.' }),
  })
  .meta({ id: 'FindingRule' });
export type FindingRule = z.output<typeof findingRuleSchema>;
export const findingRuleListSchema = listSchema('FindingRuleList', findingRuleSchema);
export const findingRuleListQuerySchema = z.strictObject({ ...pageQuery });
export type FindingRuleListQuery = z.output<typeof findingRuleListQuerySchema>;
