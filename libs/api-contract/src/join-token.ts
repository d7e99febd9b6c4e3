import { z } from 'zod';
import { identifierOutputSchema } from './shared/identifier.js';
import { listSchema, pageQuery } from './shared/list.js';
import { labelsSchema } from './shared/selector.js';
import { timestampSchema } from './shared/time.js';

const A_YEAR_SECONDS = 31_536_000;

export const joinTokenCreateSchema = z
  .strictObject({
    name: z
      .string()
      .trim()
      .min(1, 'a name is needed')
      .max(200)
      .meta({ description: 'What it is for.', example: 'web tier' }),
    labels: labelsSchema.default({}).meta({
      description: 'Labels of every agent that joins with it. They win over what an agent says of itself.',
      example: { role: 'web' },
    }),
    maxUses: z
      .int()
      .min(1)
      .max(1_000_000)
      .default(1)
      .meta({ description: 'How many agents may join with it.', example: 100 }),
    expiresInSeconds: z
      .int()
      .min(1)
      .max(A_YEAR_SECONDS)
      .default(86_400)
      .meta({ description: 'Seconds from now until it no longer works; a year at most.', example: 86_400 }),
  })
  .meta({ id: 'JoinTokenCreate' });
export type JoinTokenCreate = z.output<typeof joinTokenCreateSchema>;

const joinTokenFields = {
  id: identifierOutputSchema,
  name: z.string().meta({ description: 'What it is for.' }),
  labels: z.record(z.string(), z.string()).meta({ description: 'Labels of every agent that joins with it.' }),
  maxUses: z.int().meta({ description: 'How many agents may join with it.' }),
  uses: z.int().meta({ description: 'How many agents have joined with it.' }),
  createdAt: timestampSchema,
  expiresAt: timestampSchema,
};
export const joinTokenSchema = z.strictObject(joinTokenFields).meta({ id: 'JoinToken' });
export type JoinToken = z.output<typeof joinTokenSchema>;

export const joinTokenCreatedSchema = z
  .strictObject({
    ...joinTokenFields,
    token: z.string().meta({
      description:
        'For `synscope-agent --token`. Shown this once. The part after the dot is the pin of this control plane’s certificate authority.',
    }),
  })
  .meta({ id: 'JoinTokenCreated' });
export type JoinTokenCreated = z.output<typeof joinTokenCreatedSchema>;

export const joinTokenListQuerySchema = z.strictObject(pageQuery);
export type JoinTokenListQuery = z.output<typeof joinTokenListQuerySchema>;
export const joinTokenListSchema = listSchema('JoinTokenList', joinTokenSchema);
