import { z } from 'zod';
import { identifierOutputSchema, identifierSchema } from './shared/identifier.js';
import { listSchema, pageQuery } from './shared/list.js';
import { queryList, waitSchema } from './shared/query-values.js';
import { countSchema, microsecondsSchema, oneOf } from './shared/record.js';
import { timestampSchema } from './shared/time.js';
import { WEBHOOK_EVENT_TYPES } from './webhook-event.js';

const nameSchema = z
  .string()
  .trim()
  .min(1, 'a name is needed')
  .max(100)
  .meta({ description: 'Unique among the webhooks.', example: 'tickets' });

const urlSchema = z
  .string()
  .max(2_000)
  .refine(isWebUrl, 'expected a URL such as https://bots.example.com/synscope')
  .meta({
    description:
      'Where events are posted to. HTTPS, unless SYNSCOPE_WEBHOOK_ALLOW_HTTP is set; without user name, password and fragment. An address that is not public is refused unless SYNSCOPE_WEBHOOK_ALLOWED_NETWORKS holds it.',
    example: 'https://bots.example.com/synscope',
  });

const eventsSchema = z
  .array(oneOf(WEBHOOK_EVENT_TYPES))
  .min(1, 'name at least one event')
  .refine((events) => new Set(events).size === events.length, 'the same event is given twice')
  .meta({ description: 'The events that it is told of.', example: ['finding.opened', 'finding.resolved'] });

const enabledSchema = z.boolean().meta({
  description:
    'While it is false nothing is sent, and events of that time are not made up for. Set to false by the control plane itself when the endpoint answers 410.',
});

export const webhookCreateSchema = z
  .strictObject({
    name: nameSchema,
    url: urlSchema,
    events: eventsSchema,
    enabled: enabledSchema.default(true),
  })
  .meta({ id: 'WebhookCreate' });
export type WebhookCreate = z.output<typeof webhookCreateSchema>;

export const webhookUpdateSchema = z
  .strictObject({
    name: nameSchema.optional(),
    url: urlSchema.optional(),
    events: eventsSchema.optional(),
    enabled: enabledSchema.optional(),
  })
  .refine((body) => Object.values(body).some((value) => value !== undefined), 'name a field to change')
  .meta({ id: 'WebhookUpdate', description: 'What is not named stays as it is.' });
export type WebhookUpdate = z.output<typeof webhookUpdateSchema>;

const webhookFields = {
  id: identifierOutputSchema,
  name: z.string().meta({ description: 'Unique among the webhooks.' }),
  url: z.string().meta({ description: 'Where events are posted to.' }),
  events: z.array(z.enum(WEBHOOK_EVENT_TYPES)).meta({ description: 'The events that it is told of.' }),
  enabled: enabledSchema,
  disabledReason: z.string().nullable().meta({
    description:
      'Why the control plane has disabled it; null if it is enabled, or was disabled by a request.',
  }),
  failingSince: timestampSchema.nullable().meta({
    description:
      'When the first of the attempts failed that have all failed since; null if the last one succeeded.',
  }),
  heldUntil: timestampSchema.nullable().meta({
    description:
      'Nothing is sent before: it asked so by Retry-After, or fails again and again. Null if nothing is held.',
  }),
  pendingDeliveries: countSchema.meta({
    description: 'Deliveries that are to be attempted, or attempted again.',
  }),
  previousSecretsValidUntil: timestampSchema.nullable().meta({
    description: 'Until when earlier secrets sign beside the present one; null if there are none.',
  }),
  createdAt: timestampSchema,
  updatedAt: timestampSchema.meta({ description: 'When it was last changed.' }),
};
export const webhookSchema = z.strictObject(webhookFields).meta({ id: 'Webhook' });
export type Webhook = z.output<typeof webhookSchema>;

const secretSchema = z.string().meta({
  description:
    'Verifies the signatures, as https://www.standardwebhooks.com has it: `whsec_` and 32 bytes in base64. Shown this once.',
  example: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=',
});
export const webhookCreatedSchema = z
  .strictObject({ ...webhookFields, secret: secretSchema })
  .meta({ id: 'WebhookCreated' });
export type WebhookCreated = z.output<typeof webhookCreatedSchema>;

export const webhookListQuerySchema = z.strictObject({
  ...pageQuery,
  name: nameSchema.optional().meta({ description: 'The one with exactly this name.' }),
});
export type WebhookListQuery = z.output<typeof webhookListQuerySchema>;
export const webhookListSchema = listSchema('WebhookList', webhookSchema);

/** `webhook.test` is sent on request only, to one webhook. */
export const DELIVERED_EVENT_TYPES = [...WEBHOOK_EVENT_TYPES, 'webhook.test'] as const;
export type DeliveredEventType = (typeof DELIVERED_EVENT_TYPES)[number];

export const DELIVERY_STATES = ['pending', 'delivered', 'failed', 'canceled'] as const;
export type DeliveryState = (typeof DELIVERY_STATES)[number];

export const webhookAttemptSchema = z
  .strictObject({
    number: z.int().min(1).meta({ description: 'Counted from 1 over all attempts of the delivery.' }),
    startedAt: timestampSchema,
    latencyUs: microsecondsSchema.nullable().meta({
      description: 'Microseconds to the head of the answer, or to the failure; null is not known.',
    }),
    status: z.int().nullable().meta({ description: 'HTTP status; null without an answer.', example: 204 }),
    error: z.string().nullable().meta({ description: 'Why it did not succeed, for people; null if it did.' }),
    response: z
      .string()
      .nullable()
      .meta({ description: 'The first 1,024 bytes of the body of an answer that was no success.' }),
  })
  .meta({ id: 'WebhookAttempt' });
export type WebhookAttempt = z.output<typeof webhookAttemptSchema>;

export const webhookDeliverySchema = z
  .strictObject({
    id: identifierOutputSchema.meta({
      description: 'The `webhook-id` header, which is the id of the event: the same in every attempt.',
    }),
    webhookId: identifierOutputSchema.meta({ description: 'Of which webhook.' }),
    eventType: z.enum(DELIVERED_EVENT_TYPES).meta({ description: 'What it tells of.' }),
    occurredAt: timestampSchema.meta({ description: 'When that happened: `timestamp` in the body.' }),
    state: z.enum(DELIVERY_STATES).meta({
      description:
        '`pending`: it is attempted, or will be. `delivered`: answered with 2xx. `failed`: given up, or answered with 410. `canceled`: the webhook was disabled before it succeeded.',
    }),
    createdAt: timestampSchema,
    finishedAt: timestampSchema.nullable().meta({ description: 'Null while it is pending.' }),
    nextAttemptAt: timestampSchema.nullable().meta({
      description:
        'The earliest time of the next attempt; during one, when another replica takes over. Null if there is none.',
    }),
    attempts: z
      .array(webhookAttemptSchema)
      .meta({ description: 'The latest 20 that have ended, first to last.' }),
  })
  .meta({ id: 'WebhookDelivery' });
export type WebhookDelivery = z.output<typeof webhookDeliverySchema>;

export const webhookDeliveryListQuerySchema = z.strictObject({
  ...pageQuery,
  state: queryList(oneOf(DELIVERY_STATES), DELIVERY_STATES.length).optional().meta({
    description: 'In one of these states, separated by commas.',
    example: 'pending,failed',
  }),
  eventType: queryList(oneOf(DELIVERED_EVENT_TYPES), DELIVERED_EVENT_TYPES.length).optional().meta({
    description: 'Of one of these events, separated by commas.',
    example: 'finding.opened',
  }),
});
export type WebhookDeliveryListQuery = z.output<typeof webhookDeliveryListQuerySchema>;
export const webhookDeliveryListSchema = listSchema('WebhookDeliveryList', webhookDeliverySchema);

export const webhookDeliveryWaitQuerySchema = z.strictObject({ wait: waitSchema.optional() });
export type WebhookDeliveryWaitQuery = z.output<typeof webhookDeliveryWaitQuerySchema>;

export const webhookDeliveryParamsSchema = z.strictObject({
  id: identifierSchema,
  deliveryId: identifierSchema.meta({ description: 'The `webhook-id`.' }),
});
export type WebhookDeliveryParams = z.output<typeof webhookDeliveryParamsSchema>;

function isWebUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, username, password, hash } = new URL(text);
  return /^https?:$/.test(protocol) && username === '' && password === '' && hash === '';
}
