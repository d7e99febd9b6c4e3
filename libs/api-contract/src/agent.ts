import { z } from 'zod';
import { identifierOutputSchema } from './shared/identifier.js';
import { listSchema, lossSchema, pageQuery } from './shared/list.js';
import { queryBoolean } from './shared/query-values.js';
import { labelKeySchema, labelValueSchema, selectorTextSchema } from './shared/selector.js';
import { timestampSchema } from './shared/time.js';

export const agentStatusSchema = z.enum(['online', 'offline'], 'expected online or offline');

export const capabilitySchema = z
  .strictObject({
    name: z.string().meta({ description: 'What it is about.', example: 'tcp_handshake.server' }),
    available: z.boolean().meta({ description: 'Whether it can be measured there.' }),
    detail: z
      .string()
      .meta({ description: 'Why not, or what is inexact on this host; empty if all is well.' }),
  })
  .meta({ id: 'Capability', description: 'Something that the agent can or cannot measure on its host.' });

const measured = () => z.int().min(0).nullable();

export const agentCostSchema = z
  .strictObject({
    bpfRunTimeNs: measured().meta({
      description: 'Run time of all our programs in the kernel, nanoseconds.',
    }),
    bpfRunCount: measured().meta({ description: 'How often they ran in that time.' }),
    bpfSampledNs: measured().meta({ description: 'Over how long both were sampled, nanoseconds.' }),
    agentResidentBytes: measured().meta({ description: 'Memory of the agent, bytes.' }),
    probeResidentBytes: measured().meta({ description: 'Memory of its probe, bytes.' }),
    agentCpuUs: measured().meta({ description: 'User and system time since its start, microseconds.' }),
    probeCpuUs: measured().meta({ description: 'User and system time since its start, microseconds.' }),
  })
  .meta({ id: 'AgentCost', description: 'What the agent costs its host. Null is what was not measured.' });
export type AgentCost = z.output<typeof agentCostSchema>;

export const agentWarningSchema = z
  .strictObject({
    code: z
      .enum(['identity_copied'])
      .meta({ description: '`identity_copied`: another process lives by a copy of the agent’s identity.' }),
    message: z.string().meta({ description: 'What is wrong and what to do, for people.' }),
    since: timestampSchema,
    lastAt: timestampSchema.meta({ description: 'When it was last seen; the warning goes 24 hours later.' }),
  })
  .meta({ id: 'AgentWarning', description: 'Something about the agent that a person should look at.' });

export const agentSchema = z
  .strictObject({
    id: identifierOutputSchema,
    hostname: z.string().meta({ description: 'What the host calls itself.' }),
    status: agentStatusSchema.meta({ description: 'Whether it is connected.' }),
    labels: z.record(z.string(), z.string()).meta({ description: 'What selectors are matched with.' }),
    agentVersion: z.string().nullable().meta({ description: 'Null before it has first connected.' }),
    kernel: z.string().nullable().meta({ description: 'As `uname -r`.', example: '6.1.0-32-amd64' }),
    architecture: z.string().nullable().meta({ description: 'As `uname -m`.', example: 'x86_64' }),
    capabilities: z
      .array(capabilitySchema)
      .meta({ description: 'What it can measure on its host, and how exactly.' }),
    warnings: z.array(agentWarningSchema).meta({ description: 'Empty if all is well.' }),
    enrolledAt: timestampSchema,
    lastSeenAt: timestampSchema
      .nullable()
      .meta({ description: 'Its last sign of life; null before the first.' }),
    revokedAt: timestampSchema
      .nullable()
      .meta({ description: 'Since when it is shut out; null if it is not.' }),
    clockOffsetUs: z.int().nullable().meta({
      description:
        'Its clock, by which its records are stamped, less that of the database, which all replicas share; microseconds, positive if it is ahead. Null until it was measured on the present stream.',
      example: -1250,
    }),
    clockOffsetUncertaintyUs: z.int().min(0).nullable().meta({
      description:
        'The true offset is within this many microseconds of `clockOffsetUs`: half of the best recent round trip, and drift since. Null without an offset, and for agents of protocol 1, whose offset is from one way, which is in it.',
      example: 180,
    }),
    cost: agentCostSchema.nullable().meta({ description: 'Null before it has told.' }),
    loss: lossSchema,
  })
  .meta({ id: 'Agent' });
export type Agent = z.output<typeof agentSchema>;

export const agentUpdateSchema = z
  .strictObject({
    labels: z
      .record(labelKeySchema, labelValueSchema.nullable())
      .refine((labels) => Object.keys(labels).length <= 64, 'at most 64 labels')
      .meta({
        description:
          'Labels to set, over what the agent and its join token say; null takes one away. What is not named stays as it is.',
        example: { env: 'prod', canary: null },
      }),
  })
  .meta({ id: 'AgentUpdate' });
export type AgentUpdate = z.output<typeof agentUpdateSchema>;

export const agentListQuerySchema = z.strictObject({
  ...pageQuery,
  selector: selectorTextSchema.optional(),
  status: agentStatusSchema
    .optional()
    .meta({ description: 'Only those that are connected, or only the others.' }),
  includeRevoked: queryBoolean()
    .default(false)
    .meta({ description: 'Whether revoked agents are listed too.' }),
});
export type AgentListQuery = z.output<typeof agentListQuerySchema>;
export const agentListSchema = listSchema('AgentList', agentSchema);
