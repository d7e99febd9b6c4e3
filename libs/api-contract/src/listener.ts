import { z } from 'zod';
import {
  acceptQueueSchema,
  listenerCountFields,
  listenerFilterFields,
  listenerIdentityFields,
  listenerSettingsSchema,
  netnsCountersSchema,
  synQueueSchema,
} from './listener-sample.js';
import { listSchema, pageQuery } from './shared/list.js';
import { countSchema, microsecondsSchema, oneOf, recordFields } from './shared/record.js';
import { timestampSchema } from './shared/time.js';

export const listenerSchema = z
  .strictObject({
    id: recordFields.id.meta({ description: 'Of its newest sample: `GET /listener-samples/{id}`.' }),
    observedAt: timestampSchema.meta({
      description: 'When its newest sample was taken, by the clock of the host.',
    }),
    firstObservedAt: timestampSchema.meta({ description: 'When its first sample in the window was taken.' }),
    samples: countSchema.meta({ description: 'Its samples in the window.' }),
    observedUs: microsecondsSchema.meta({
      description: 'The time that the samples cover together, microseconds.',
    }),
    agentId: recordFields.agentId,
    hostname: recordFields.hostname,
    sessionIds: recordFields.sessionIds.meta({
      description: 'The trace sessions that its newest sample matched.',
    }),
    ...listenerIdentityFields,
    acceptQueue: acceptQueueSchema.meta({
      description: '`length` and `limit` of the newest sample, `peak` of the window.',
    }),
    synQueue: synQueueSchema.meta({
      description: '`length` of the newest sample, `peak` of the window.',
    }),
    ...listenerCountFields,
    settings: listenerSettingsSchema.meta({
      description: 'Of the newest sample: sysctl settings of the socket’s network namespace.',
    }),
    netnsCounters: netnsCountersSchema,
    process: recordFields.process,
    netns: recordFields.netns,
  })
  .meta({
    id: 'Listener',
    description:
      'A listening TCP socket as its newest sample in the window tells, with the sums of all its samples there.',
  });
export type Listener = z.output<typeof listenerSchema>;

export const LISTENER_ORDERS = ['localPort', '-refused'] as const;
export type ListenerOrder = (typeof LISTENER_ORDERS)[number];

export const listenerListQuerySchema = z.strictObject({
  ...listenerFilterFields,
  order: oneOf(LISTENER_ORDERS).default('localPort').meta({
    description:
      '`localPort`: lowest port first; pages have every socket once, whatever comes in meanwhile. `-refused`: most refused SYNs and dropped ACKs first; with `until`, so that sums stand still, pages have every socket once too.',
  }),
  ...pageQuery,
});
export type ListenerListQuery = z.output<typeof listenerListQuerySchema>;
export const listenerListSchema = listSchema('ListenerList', listenerSchema);
