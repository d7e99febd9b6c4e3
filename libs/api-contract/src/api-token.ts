import { z } from 'zod';
import { identifierOutputSchema } from './shared/identifier.js';
import { listSchema, pageQuery } from './shared/list.js';
import { resolveTime, timestampSchema } from './shared/time.js';

/** Each role may do what the ones before it may. */
export const ROLES = ['viewer', 'operator', 'admin'] as const;
export const roleSchema = z.enum(ROLES, 'expected viewer, operator or admin').meta({
  id: 'Role',
  description:
    '`viewer` reads, `operator` also starts and stops sessions, `admin` also manages agents and tokens.',
});
export type Role = z.output<typeof roleSchema>;

const nameSchema = z.string().trim().min(1, 'a name is needed').max(200);

export const apiTokenCreateSchema = z
  .strictObject({
    name: nameSchema.meta({ description: 'Who or what uses it.', example: 'bot' }),
    role: roleSchema,
    expiresAt: z
      .string()
      .refine(
        (text) => /^\d{4}-/.test(text) && resolveTime(text, 0) !== null,
        'expected an RFC 3339 time, or null',
      )
      .nullable()
      .default(null)
      .meta({ description: 'RFC 3339; null for a token that does not expire.', example: null }),
  })
  .meta({ id: 'ApiTokenCreate' });
export type ApiTokenCreate = z.output<typeof apiTokenCreateSchema>;

const apiTokenFields = {
  id: identifierOutputSchema,
  name: z.string().meta({ description: 'Who or what uses it.' }),
  role: roleSchema,
  createdAt: timestampSchema,
  expiresAt: timestampSchema.nullable().meta({ description: 'Null for a token that does not expire.' }),
  lastUsedAt: timestampSchema.nullable().meta({ description: 'To the minute.' }),
};
export const apiTokenSchema = z.strictObject(apiTokenFields).meta({ id: 'ApiToken' });
export type ApiToken = z.output<typeof apiTokenSchema>;

export const apiTokenCreatedSchema = z
  .strictObject({
    ...apiTokenFields,
    token: z.string().meta({ description: 'The secret. Shown this once.' }),
  })
  .meta({ id: 'ApiTokenCreated' });
export type ApiTokenCreated = z.output<typeof apiTokenCreatedSchema>;

export const apiTokenListQuerySchema = z.strictObject(pageQuery);
export type ApiTokenListQuery = z.output<typeof apiTokenListQuerySchema>;
export const apiTokenListSchema = listSchema('ApiTokenList', apiTokenSchema);
