import { z } from 'zod';
import { distinct, PROBES, sessionFilterSchema, TWICE } from './session-filter.js';
import { identifierOutputSchema } from './shared/identifier.js';
import { listSchema, lossSchema, pageQuery } from './shared/list.js';
import { queryBoolean, queryList, waitSchema } from './shared/query-values.js';
import { oneOf } from './shared/record.js';
import { selectorTextSchema } from './shared/selector.js';
import { timestampSchema } from './shared/time.js';

const A_DAY_SECONDS = 86_400;

const targetChoiceSchema = z
  .union(
    [
      z.strictObject({
        percent: z.number().gt(0).max(100).meta({
          description: 'Of the agents that match, rounded up; above 0, at most 100.',
          example: 10,
        }),
      }),
      z.strictObject({
        count: z.int().min(1).max(100_000).meta({
          description: 'So many of the agents that match, or all if they are fewer.',
          example: 3,
        }),
      }),
    ],
    'expected {"percent": 10} or {"count": 3}',
  )
  .nullable()
  .default(null)
  .meta({
    id: 'TargetChoice',
    description:
      'Canaries: run it on some of the agents that match. They are chosen once, when the session is created, the same ones for the same selector as long as the same agents match; `dryRun` names them. Agents that join or match later do not get the session then. Null: on all that match, those too that join while it is open.',
  });

const specFields = {
  selector: selectorTextSchema.default(''),
  targets: targetChoiceSchema,
  probes: z
    .array(oneOf(PROBES))
    .min(1, 'name at least one probe')
    .refine(distinct, TWICE)
    .meta({
      description:
        '`tcp_handshake`: TCP handshakes, both sides. `dns`: DNS queries, by packets. `name_lookup`: what applications waited for in getaddrinfo(). `listener`: listening TCP sockets, their queues and what they refused.',
      example: ['tcp_handshake', 'dns'],
    }),
  filter: sessionFilterSchema.prefault({}),
  sampleRate: z
    .number()
    .gt(0, 'expected a fraction above 0, at most 1')
    .max(1, 'expected a fraction above 0, at most 1')
    .default(1)
    .meta({
      description:
        'Fraction of the matching records to keep, above 0, at most 1. Both ends of a handshake keep the same ones; so do client and resolver of a DNS query, which is chosen by its message ID and name. `listener` is not sampled.',
    }),
  durationSeconds: z
    .int()
    .min(1)
    .max(A_DAY_SECONDS)
    .default(600)
    .meta({ description: 'The session ends by itself this long after its creation; a day at most.' }),
  maxRecordsPerAgent: z
    .int()
    .min(1)
    .max(1_000_000_000)
    .default(100_000)
    .meta({ description: 'An agent ends the session on its host after this many records of all probes.' }),
};

export const traceSessionCreateSchema = z
  .strictObject({
    name: z.string().trim().min(1).max(200).nullable().default(null).meta({
      description: 'For people; need not be unique.',
      example: 'slow checkout',
    }),
    ...specFields,
  })
  .meta({ id: 'TraceSessionCreate' });
export type TraceSessionCreate = z.output<typeof traceSessionCreateSchema>;

export const traceSessionSpecSchema = z.strictObject(specFields).meta({
  id: 'TraceSessionSpec',
  description: 'What was asked for, with its defaults filled in.',
});
export type TraceSessionSpec = z.output<typeof traceSessionSpecSchema>;

export const SESSION_STATES = ['pending', 'running', 'completed', 'stopped', 'failed'] as const;
export const sessionStateSchema = z.enum(SESSION_STATES).meta({
  id: 'SessionState',
  description:
    '`pending`: no agent runs it yet. `running`: at least one agent has begun. `completed`: its time is over, or every agent is done with it. `stopped`: by request. `failed`: every agent that it matched failed.',
});
export type SessionState = z.output<typeof sessionStateSchema>;

const count = (description: string) => z.int().min(0).meta({ description });

export const targetCountsSchema = z
  .strictObject({
    matched: count('Agents that got the session: the sum of the others.'),
    pending: count('Online, and not running it yet.'),
    running: count('Online and running it.'),
    done: count('Ended as asked: stopped, the time over, or the cap of records reached.'),
    failed: count('Could not run it; `GET /trace-sessions/{id}/targets` says why.'),
    offline: count('Not connected, and not done with it.'),
  })
  .meta({ id: 'TargetCounts', description: 'How many agents are how far with it.' });
export type TargetCounts = z.output<typeof targetCountsSchema>;

const recordCountsSchema = z.partialRecord(z.enum(PROBES), z.int().min(0)).meta({
  description: 'Records that the agents have handed over, by probe of the session.',
  example: { tcp_handshake: 1234, dns: 56 },
});
export type RecordCounts = z.output<typeof recordCountsSchema>;

export const traceSessionSchema = z
  .strictObject({
    id: identifierOutputSchema,
    name: z.string().nullable().meta({ description: 'For people.' }),
    state: sessionStateSchema,
    message: z.string().nullable().meta({ description: 'What the state alone does not say, for people.' }),
    spec: traceSessionSpecSchema,
    createdAt: timestampSchema,
    startedAt: timestampSchema.nullable().meta({ description: 'When the first agent began.' }),
    endsAt: timestampSchema.meta({ description: 'When it ends by itself.' }),
    endedAt: timestampSchema.nullable().meta({ description: 'When it ended; null while it is open.' }),
    targets: targetCountsSchema,
    recordCounts: recordCountsSchema,
    loss: lossSchema,
  })
  .meta({ id: 'TraceSession' });
export type TraceSession = z.output<typeof traceSessionSchema>;

export const traceSessionCreateQuerySchema = z.strictObject({
  wait: waitSchema.optional().meta({
    description: 'Answer once every online agent runs it or has failed, at the latest after this long (60s).',
  }),
  dryRun: queryBoolean()
    .default(false)
    .meta({ description: 'Start nothing; answer with the agents that would be matched.' }),
});
export type TraceSessionCreateQuery = z.output<typeof traceSessionCreateQuerySchema>;

export const traceSessionGetQuerySchema = z.strictObject({
  wait: waitSchema
    .optional()
    .meta({ description: 'Answer once the session has ended, at the latest after this long (60s).' }),
});
export type TraceSessionGetQuery = z.output<typeof traceSessionGetQuerySchema>;

export const traceSessionListQuerySchema = z.strictObject({
  ...pageQuery,
  state: queryList(oneOf(SESSION_STATES), SESSION_STATES.length).optional().meta({
    description: 'In one of these states, separated by commas.',
    example: 'pending,running',
  }),
});
export type TraceSessionListQuery = z.output<typeof traceSessionListQuerySchema>;
export const traceSessionListSchema = listSchema('TraceSessionList', traceSessionSchema);

export const matchedAgentSchema = z
  .strictObject({
    agentId: identifierOutputSchema,
    hostname: z.string().meta({ description: 'As the agent reports it.' }),
    status: z.enum(['online', 'offline']).meta({ description: 'Whether it is connected.' }),
    labels: z.record(z.string(), z.string()).meta({ description: 'What the selector is matched with.' }),
  })
  .meta({ id: 'MatchedAgent' });

export const traceSessionDryRunSchema = z
  .strictObject({
    dryRun: z.literal(true).meta({ description: 'Nothing was started.' }),
    spec: traceSessionSpecSchema,
    targets: z
      .strictObject({
        matched: count('Agents that would get it.'),
        online: count('Of those, connected.'),
        offline: count('Of those, not connected; they would begin when they are back.'),
      })
      .meta({ description: 'How many agents it would run on.' }),
    agents: z.array(matchedAgentSchema).meta({ description: 'The first 1,000 of them, online ones first.' }),
  })
  .meta({ id: 'TraceSessionDryRun' });
export type TraceSessionDryRun = z.output<typeof traceSessionDryRunSchema>;

export const TARGET_STATES = ['pending', 'running', 'done', 'failed', 'offline'] as const;
export const sessionTargetSchema = z
  .strictObject({
    agentId: identifierOutputSchema,
    hostname: z.string().meta({ description: 'As the agent reports it.' }),
    state: z.enum(TARGET_STATES).meta({ description: 'As in the counts of the session’s `targets`.' }),
    hooks: z
      .array(z.string())
      .meta({ description: 'What the probe has attached for it.', example: ['cgroup_sockops'] }),
    error: z.string().nullable().meta({
      description:
        'Why it failed, what of it cannot be measured while the rest runs, or why it is cut short on this host; null if there is nothing to say.',
    }),
    recordCount: z.int().min(0).meta({ description: 'Records handed over, of all probes.' }),
    recordCounts: recordCountsSchema,
    startedAt: timestampSchema.nullable().meta({ description: 'When it began; null if it has not.' }),
    endedAt: timestampSchema.nullable().meta({ description: 'When it ended; null if it has not.' }),
  })
  .meta({ id: 'SessionTarget' });
export type SessionTarget = z.output<typeof sessionTargetSchema>;

export const sessionTargetListQuerySchema = z.strictObject({
  ...pageQuery,
  state: queryList(oneOf(TARGET_STATES), TARGET_STATES.length).optional().meta({
    description: 'In one of these states, separated by commas.',
    example: 'failed',
  }),
});
export type SessionTargetListQuery = z.output<typeof sessionTargetListQuerySchema>;
export const sessionTargetListSchema = listSchema('SessionTargetList', sessionTargetSchema);

/** What creating answers: the session, or with `dryRun` who would be matched. */
export const traceSessionCreationSchema = z
  .union([traceSessionSchema, traceSessionDryRunSchema])
  .meta({ id: 'TraceSessionCreation' });
