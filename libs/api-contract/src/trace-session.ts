import { z } from 'zod';
import { prefixSchema } from './shared/address.js';
import { identifierOutputSchema } from './shared/identifier.js';
import { listSchema, lossSchema, pageQuery } from './shared/list.js';
import { queryBoolean, queryList, waitSchema } from './shared/query-values.js';
import { selectorTextSchema } from './shared/selector.js';
import { timestampSchema } from './shared/time.js';

export const PROBES = ['tcp_handshake', 'dns', 'listener'] as const;
export type ProbeName = (typeof PROBES)[number];

/** An hour in milliseconds, far beyond what a kernel waits for an answer. */
const MAX_MIN_LATENCY_MS = 3_600_000;
const A_DAY_SECONDS = 86_400;
/** As in /proc/PID/comm (TASK_COMM_LEN less the final zero). */
const MAX_PROCESS_NAME_BYTES = 15;

const distinct = (values: readonly unknown[]): boolean => new Set(values).size === values.length;
const TWICE = 'the same value is given twice';

/** A list of at most `maximum` different values; empty or left out, it matches everything. */
function filterList<T extends z.ZodType>(item: T, maximum: number) {
  return z.array(item).max(maximum).refine(distinct, TWICE).default([]);
}

const filterPortSchema = z
  .int('expected a port from 1 to 65535')
  .min(1, 'expected a port from 1 to 65535')
  .max(65_535, 'expected a port from 1 to 65535');

const processNameSchema = z
  .string()
  .min(1)
  .refine((name) => new TextEncoder().encode(name).length <= MAX_PROCESS_NAME_BYTES, {
    error: `the kernel keeps ${MAX_PROCESS_NAME_BYTES} bytes of a process name; give it as in /proc/PID/comm`,
  });

const domainNameSchema = z
  .string()
  .min(1)
  .max(253)
  .regex(
    /^([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)*\.?$/,
    {
      error: 'expected a domain name such as example.com',
    },
  );

export const sessionFilterSchema = z
  .strictObject({
    roles: filterList(z.enum(['client', 'server'], 'expected client or server'), 2),
    minLatencyMs: z.number().min(0).max(MAX_MIN_LATENCY_MS).default(0).meta({
      description: 'What is faster is left out; what failed always passes. Milliseconds, with decimals.',
    }),
    outcomes: filterList(
      z.enum(['established', 'refused', 'timed_out', 'unreachable', 'aborted', 'reset']),
      6,
    ),
    remotePorts: filterList(filterPortSchema, 64),
    localPorts: filterList(filterPortSchema, 64),
    remoteCidrs: filterList(prefixSchema, 64),
    processNames: filterList(processNameSchema, 32).meta({
      description: 'As in /proc/PID/comm, at most 15 bytes each.',
    }),
    queryNameSuffixes: filterList(domainNameSchema, 32).meta({ description: 'For the probe `dns`.' }),
  })
  .meta({
    id: 'SessionFilter',
    description: 'Fields are ANDed, values within one list ORed; an empty list matches all.',
  });
export type SessionFilterSpec = z.output<typeof sessionFilterSchema>;

const specFields = {
  selector: selectorTextSchema.default(''),
  probes: z.array(z.enum(PROBES)).min(1, 'name at least one probe').refine(distinct, TWICE),
  filter: sessionFilterSchema.prefault({}),
  sampleRate: z
    .number()
    .gt(0, 'expected a fraction above 0, at most 1')
    .max(1, 'expected a fraction above 0, at most 1')
    .default(1)
    .meta({
      description:
        'Fraction of the matching handshakes to keep. Both ends of a handshake keep the same ones.',
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
    .meta({ description: 'An agent ends the session on its host after this many records.' }),
};

export const traceSessionCreateSchema = z
  .strictObject({
    name: z.string().trim().min(1).max(200).nullable().default(null).meta({ example: 'slow checkout' }),
    ...specFields,
  })
  .meta({ id: 'TraceSessionCreate' });
export type TraceSessionCreate = z.output<typeof traceSessionCreateSchema>;

export const traceSessionSpecSchema = z.strictObject(specFields).meta({ id: 'TraceSessionSpec' });
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
    matched: count('Agents that the selector has matched: the sum of the others.'),
    pending: count('Online, and not running it yet.'),
    running: count('Online and running it.'),
    done: count('Ended as asked: stopped, the time over, or the cap of records reached.'),
    failed: count('Could not run it; `GET /trace-sessions/{id}/targets` says why.'),
    offline: count('Not connected, and not done with it.'),
  })
  .meta({ id: 'TargetCounts' });
export type TargetCounts = z.output<typeof targetCountsSchema>;

export const traceSessionSchema = z
  .strictObject({
    id: identifierOutputSchema,
    name: z.string().nullable(),
    state: sessionStateSchema,
    message: z.string().nullable().meta({ description: 'What the state alone does not say, for people.' }),
    spec: traceSessionSpecSchema,
    createdAt: timestampSchema,
    startedAt: timestampSchema.nullable().meta({ description: 'When the first agent began.' }),
    endsAt: timestampSchema.meta({ description: 'When it ends by itself.' }),
    endedAt: timestampSchema.nullable(),
    targets: targetCountsSchema,
    recordCounts: z.partialRecord(z.enum(PROBES), z.int().min(0)).meta({
      description: 'Records that the agents have handed over, by probe.',
      example: { tcp_handshake: 1234 },
    }),
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
  state: queryList(z.enum(SESSION_STATES), SESSION_STATES.length).optional(),
});
export type TraceSessionListQuery = z.output<typeof traceSessionListQuerySchema>;
export const traceSessionListSchema = listSchema('TraceSessionList', traceSessionSchema);

export const matchedAgentSchema = z
  .strictObject({
    agentId: identifierOutputSchema,
    hostname: z.string(),
    status: z.enum(['online', 'offline']),
    labels: z.record(z.string(), z.string()),
  })
  .meta({ id: 'MatchedAgent' });

export const traceSessionDryRunSchema = z
  .strictObject({
    dryRun: z.literal(true),
    spec: traceSessionSpecSchema,
    targets: z.strictObject({ matched: z.int().min(0), online: z.int().min(0), offline: z.int().min(0) }),
    agents: z.array(matchedAgentSchema).meta({ description: 'The first 1,000 of them, online ones first.' }),
  })
  .meta({ id: 'TraceSessionDryRun' });
export type TraceSessionDryRun = z.output<typeof traceSessionDryRunSchema>;

export const TARGET_STATES = ['pending', 'running', 'done', 'failed', 'offline'] as const;
export const sessionTargetSchema = z
  .strictObject({
    agentId: identifierOutputSchema,
    hostname: z.string(),
    state: z.enum(TARGET_STATES),
    hooks: z
      .array(z.string())
      .meta({ description: 'What the probe has attached for it.', example: ['cgroup_sockops'] }),
    error: z.string().nullable(),
    recordCount: z.int().min(0),
    startedAt: timestampSchema.nullable(),
    endedAt: timestampSchema.nullable(),
  })
  .meta({ id: 'SessionTarget' });
export type SessionTarget = z.output<typeof sessionTargetSchema>;

export const sessionTargetListQuerySchema = z.strictObject({
  ...pageQuery,
  state: queryList(z.enum(TARGET_STATES), TARGET_STATES.length).optional(),
});
export type SessionTargetListQuery = z.output<typeof sessionTargetListQuerySchema>;
export const sessionTargetListSchema = listSchema('SessionTargetList', sessionTargetSchema);

/** What creating answers: the session, or with `dryRun` who would be matched. */
export const traceSessionCreationSchema = z
  .union([traceSessionSchema, traceSessionDryRunSchema])
  .meta({ id: 'TraceSessionCreation' });
