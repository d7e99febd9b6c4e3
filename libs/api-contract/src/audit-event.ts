import { z } from 'zod';
import { identifierOutputSchema, identifierSchema } from './shared/identifier.js';
import { listSchema, pageQuery } from './shared/list.js';
import { timeExpressionSchema, timestampSchema } from './shared/time.js';

export const auditEventSchema = z
  .strictObject({
    id: identifierOutputSchema,
    occurredAt: timestampSchema,
    actor: z
      .strictObject({
        tokenId: z.string().nullable().meta({ description: 'Id of the API token.' }),
        name: z.string().meta({ description: 'Name of the token at that time.' }),
      })
      .meta({
        description: 'Whose token it was; `tokenId` is null for what the control plane did by itself.',
      }),
    action: z.string().meta({ description: 'What was done.', example: 'api_token.create' }),
    resource: z
      .strictObject({
        kind: z.string().meta({ description: 'What kind of thing it is.', example: 'agent' }),
        id: z.string().nullable().meta({ description: 'Null where there is none.' }),
      })
      .meta({ description: 'What it was done to.' }),
    source: z
      .strictObject({
        address: z.string().nullable().meta({
          description:
            'Address that the request came from, which is that of a proxy unless SYNSCOPE_TRUSTED_PROXIES names it.',
          example: '192.0.2.7',
        }),
        requestId: z.string().nullable().meta({
          description: 'The `x-request-id` of the answer; the log has it as `requestId`.',
        }),
      })
      .meta({ description: 'From where. Both are null for what the control plane did by itself.' }),
    before: z.record(z.string(), z.unknown()).nullable().meta({
      description:
        'What was changed or deleted, as it was before. Of a change only what differs; null for a creation.',
    }),
    after: z.record(z.string(), z.unknown()).nullable().meta({
      description:
        'What was changed or created, as it is since. Of a change only what differs; null for a deletion.',
    }),
    detail: z.record(z.string(), z.unknown()).meta({
      description: 'What else there is to say; depends on the action. No field of an event holds a secret.',
    }),
  })
  .meta({ id: 'AuditEvent' });
export type AuditEvent = z.output<typeof auditEventSchema>;

export const auditEventListQuerySchema = z.strictObject({
  ...pageQuery,
  since: timeExpressionSchema.optional(),
  until: timeExpressionSchema.optional(),
  action: z
    .string()
    .max(100)
    .optional()
    .meta({ description: 'Exactly this action.', example: 'agent.revoke' }),
  tokenId: identifierSchema.optional(),
  requestId: identifierSchema
    .optional()
    .meta({ description: 'Done by the request with this `x-request-id`.' }),
  resourceId: z.string().max(100).optional().meta({ description: 'Done to what has this id.' }),
});
export type AuditEventListQuery = z.output<typeof auditEventListQuerySchema>;
export const auditEventListSchema = listSchema('AuditEventList', auditEventSchema);
