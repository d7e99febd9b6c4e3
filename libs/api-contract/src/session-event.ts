import { z } from 'zod';
import { dnsQuerySchema } from './dns-query.js';
import { handshakeSchema } from './handshake.js';
import { listenerSampleSchema } from './listener-sample.js';
import { nameLookupSchema } from './name-lookup.js';
import { receiveQueueDropSchema } from './receive-queue-drop.js';
import { timestampSchema } from './shared/time.js';
import { sessionStateSchema, traceSessionSchema } from './trace-session.js';

const eventIdSchema = z
  .string()
  .min(1)
  .max(8_000)
  .meta({ description: 'The `id:` of an event of this session, unchanged.' });

export const sessionEventsQuerySchema = z.strictObject({
  lastEventId: eventIdSchema.optional().meta({
    description:
      'Go on after this event, as the header `Last-Event-ID` does; for clients that cannot set headers. The header comes first.',
  }),
  from: z.enum(['start', 'now'], 'expected start or now').default('start').meta({
    description:
      'Where a stream without `Last-Event-ID` begins: with all that is stored of the session, or with what is stored from now on.',
  }),
});
export type SessionEventsQuery = z.output<typeof sessionEventsQuerySchema>;

export const missedRecordsSchema = z
  .strictObject({
    reason: z.enum(['too_far_behind']).meta({
      description:
        '`too_far_behind`: more records waited for this reader than the control plane lets wait (SYNSCOPE_EVENT_BACKLOG).',
    }),
    records: z.int().min(0).meta({ description: 'Records of the session that were left out here.' }),
    since: timestampSchema.meta({ description: 'When the first of them can have been observed.' }),
    until: timestampSchema.meta({
      description: 'When the last of them was observed at the latest. The lists of records have them all.',
    }),
  })
  .meta({ id: 'MissedRecords', description: 'Records that a stream of live results has left out.' });
export type MissedRecords = z.output<typeof missedRecordsSchema>;

export const sessionEndSchema = z
  .strictObject({ state: sessionStateSchema.meta({ description: 'How the session has ended.' }) })
  .meta({ id: 'SessionEnd', description: 'The session is over, and everything of it was in the stream.' });
export type SessionEnd = z.output<typeof sessionEndSchema>;

export const streamDeniedSchema = z
  .strictObject({
    code: z.literal('unauthenticated').meta({ description: 'As that of the error a new request would get.' }),
    detail: z.string().meta({ description: 'What happened, and what to do about it.' }),
  })
  .meta({
    id: 'StreamDenied',
    description: 'The token has expired or was deleted: nothing more comes, and the session may go on.',
  });
export type StreamDenied = z.output<typeof streamDeniedSchema>;

const event = <Name extends string, Data extends z.ZodType>(name: Name, data: Data) =>
  z.strictObject({
    event: z.literal(name).meta({ description: 'The name of the event.' }),
    id: z.string().meta({ description: 'Where to go on after it.' }),
    data,
  });

/** One event: its fields are the lines of the stream, `data` as JSON on one line. */
export const sessionEventSchema = z
  .discriminatedUnion('event', [
    event('session', traceSessionSchema),
    event('handshake', handshakeSchema),
    event('dns_query', dnsQuerySchema),
    event('name_lookup', nameLookupSchema),
    event('receive_queue_drop', receiveQueueDropSchema),
    event('listener', listenerSampleSchema),
    event('missed', missedRecordsSchema),
    event('end', sessionEndSchema),
    event('denied', streamDeniedSchema),
  ])
  .meta({
    id: 'SessionEvent',
    description: 'One event of the stream: the lines `event:`, `id:` and `data:`, the last in JSON.',
  });
export type SessionEvent = z.output<typeof sessionEventSchema>;
