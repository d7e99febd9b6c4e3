import { z } from 'zod';
import { identifierOutputSchema } from './shared/identifier.js';
import { listSchema, pageQuery } from './shared/list.js';
import { queryList } from './shared/query-values.js';
import { oneOf } from './shared/record.js';
import { timestampSchema } from './shared/time.js';
import { sessionStateSchema, targetCountsSchema, traceSessionCreateSchema } from './trace-session.js';

/**
 * Runs closer together are refused: agents need up to two seconds to begin and to end a session, which would be most of what a shorter
 * period measures, and each run is a row per agent in the database.
 */
export const MINIMUM_PERIOD_SECONDS = 10;

/** How many due times `nextRuns` shows. */
export const SHOWN_RUNS = 5;

const A_DAY_SECONDS = 86_400;
const A_WEEK_SECONDS = 604_800;
const A_YEAR_SECONDS = 31_536_000;

// Five fields, or six of which the first is seconds. What may stand in a field is the business of the parser.
const CRON_SHAPE = /^(?:@[a-z]+|[^\s@]+(?:[ \t]+[^\s@]+){4,5})$/i;

const nameSchema = z
  .string()
  .trim()
  .min(1, 'a name is needed')
  .max(100)
  .meta({ description: 'Unique among the schedules.', example: 'nightly' });

const cronSchema = z
  .string()
  .trim()
  .max(200)
  .regex(
    CRON_SHAPE,
    'expected five fields (minute, hour, day of the month, month, day of the week) such as "0 3 * * *", six with seconds first, or @hourly, @daily, @weekly, @monthly, @yearly',
  )
  .meta({
    description:
      'Five fields (minute, hour, day of the month, month, day of the week), or six with seconds first, on the clock of `timezone`; or `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`. Two due times may not be closer than 10 seconds.',
    example: '0 3 * * *',
  });

const everySecondsSchema = z
  .int()
  .min(MINIMUM_PERIOD_SECONDS, `expected ${MINIMUM_PERIOD_SECONDS} seconds or more`)
  .max(A_YEAR_SECONDS, `expected a year (${A_YEAR_SECONDS} seconds) at most`)
  .meta({
    description: `Seconds from one due time to the next, ${MINIMUM_PERIOD_SECONDS} to ${A_YEAR_SECONDS}, counted from when the schedule was made or its timing was last changed.`,
    example: 900,
  });

const timezoneSchema = z
  .string()
  .max(64)
  .refine(isTimezone, 'is no timezone of the IANA database; write it as in Europe/Berlin')
  .meta({
    description:
      'IANA timezone whose clock `cron` goes by. `everySeconds` is elapsed time and does not depend on it.',
    example: 'Europe/Berlin',
  });

const jitterSecondsSchema = z.int().min(0).max(A_DAY_SECONDS).meta({
  description:
    'Each run starts up to so many seconds after its due time, by a delay that is fixed for that due time. Not longer than the shortest time between two runs.',
  example: 30,
});

export const OVERLAPS = ['skip', 'allow', 'replace'] as const;
export type Overlap = (typeof OVERLAPS)[number];
const overlapSchema = oneOf(OVERLAPS).meta({
  description:
    'What a run does while a session of an earlier run is still open. `skip`: it is recorded as skipped. `allow`: both run. `replace`: the earlier one is stopped.',
});

const catchUpSecondsSchema = z.int().min(0).max(A_WEEK_SECONDS).meta({
  description:
    'If no control plane was there when runs were due, the latest of them starts up to so many seconds late; earlier ones are recorded as missed. Up to 10 seconds late counts as on time. A week at most.',
  example: 60,
});

const pausedSchema = z.boolean().meta({
  description:
    'While paused, nothing is due. What would have been due in the meantime is neither made up for nor recorded. `POST /schedules/{id}/trigger` works all the same.',
});

const sessionSchema = traceSessionCreateSchema.meta({
  description: 'What each run starts: the body of `POST /trace-sessions`.',
});

const EXACTLY_ONE = 'give either cron or everySeconds';

export const scheduleCreateSchema = z
  .strictObject({
    name: nameSchema,
    cron: cronSchema.optional(),
    everySeconds: everySecondsSchema.optional(),
    timezone: timezoneSchema.default('UTC'),
    jitterSeconds: jitterSecondsSchema.default(0),
    overlap: overlapSchema.default('skip'),
    catchUpSeconds: catchUpSecondsSchema.default(60),
    session: sessionSchema,
    paused: pausedSchema.default(false),
  })
  .refine(({ cron, everySeconds }) => (cron === undefined) !== (everySeconds === undefined), {
    path: ['cron'],
    error: EXACTLY_ONE,
  })
  .meta({ id: 'ScheduleCreate' });
export type ScheduleCreate = z.output<typeof scheduleCreateSchema>;

export const scheduleUpdateSchema = z
  .strictObject({
    name: nameSchema.optional(),
    cron: cronSchema.optional(),
    everySeconds: everySecondsSchema.optional(),
    timezone: timezoneSchema.optional(),
    jitterSeconds: jitterSecondsSchema.optional(),
    overlap: overlapSchema.optional(),
    catchUpSeconds: catchUpSecondsSchema.optional(),
    session: sessionSchema.optional(),
    paused: pausedSchema.optional(),
  })
  .refine(({ cron, everySeconds }) => cron === undefined || everySeconds === undefined, {
    path: ['cron'],
    error: EXACTLY_ONE,
  })
  .refine((body) => Object.values(body).some((value) => value !== undefined), 'name a field to change')
  .meta({
    id: 'ScheduleUpdate',
    description:
      'What is not named stays as it is. `cron` takes the place of `everySeconds`, and the other way.',
  });
export type ScheduleUpdate = z.output<typeof scheduleUpdateSchema>;

export const scheduleSchema = z
  .strictObject({
    id: identifierOutputSchema,
    name: z.string().meta({ description: 'Unique among the schedules.' }),
    cron: z.string().nullable().meta({ description: 'Null if it goes by `everySeconds`.' }),
    everySeconds: z.int().nullable().meta({ description: 'Null if it goes by `cron`.' }),
    timezone: timezoneSchema,
    jitterSeconds: jitterSecondsSchema,
    overlap: overlapSchema,
    catchUpSeconds: catchUpSecondsSchema,
    session: sessionSchema,
    paused: pausedSchema,
    createdAt: timestampSchema,
    updatedAt: timestampSchema.meta({ description: 'When it was last changed by a request.' }),
    nextRuns: z.array(timestampSchema).meta({
      description: `The next ${SHOWN_RUNS} due times, in UTC and without jitter; while paused, those that a resumption now would bring.`,
      example: ['2026-01-31T02:00:00.000000Z'],
    }),
  })
  .meta({ id: 'Schedule' });
export type Schedule = z.output<typeof scheduleSchema>;

export const scheduleListQuerySchema = z.strictObject({
  ...pageQuery,
  name: nameSchema.optional().meta({ description: 'The one with exactly this name.' }),
});
export type ScheduleListQuery = z.output<typeof scheduleListQuerySchema>;
export const scheduleListSchema = listSchema('ScheduleList', scheduleSchema);

export const RUN_OUTCOMES = ['started', 'skipped', 'missed', 'failed'] as const;
export type RunOutcome = (typeof RUN_OUTCOMES)[number];
export const RUN_TRIGGERS = ['schedule', 'manual'] as const;
export type RunTrigger = (typeof RUN_TRIGGERS)[number];

export const scheduleRunSchema = z
  .strictObject({
    id: identifierOutputSchema,
    scheduleId: identifierOutputSchema.meta({ description: 'Of which schedule.' }),
    trigger: z
      .enum(RUN_TRIGGERS)
      .meta({ description: '`schedule`: it was due. `manual`: somebody asked for it.' }),
    triggeredBy: z
      .strictObject({
        tokenId: z.guid().meta({ description: 'The API token.' }),
        name: z.string().meta({ description: 'The token’s name at that time.' }),
      })
      .nullable()
      .meta({ description: 'Who asked for it; null if it was due.' }),
    dueAt: timestampSchema.meta({ description: 'When it was due; of a manual run, when it was asked for.' }),
    firedAt: timestampSchema.nullable().meta({ description: 'When it was taken up; null if it was missed.' }),
    outcome: z.enum(RUN_OUTCOMES).meta({
      description:
        '`started`: a session was started. `skipped`: the session of an earlier run was still open. `missed`: no control plane was there in time. `failed`: the session could not be started.',
    }),
    error: z
      .string()
      .nullable()
      .meta({ description: 'Why there is no session, for people; null if there is one.' }),
    sessionId: z.guid().nullable().meta({ description: 'The trace session; null if none was started.' }),
    session: z
      .strictObject({
        state: sessionStateSchema,
        message: z.string().nullable().meta({ description: 'What the state alone does not say.' }),
        endedAt: timestampSchema.nullable().meta({ description: 'Null while it is open.' }),
        targets: targetCountsSchema,
      })
      .nullable()
      .meta({ description: 'How that session stands now; null without one.' }),
  })
  .meta({ id: 'ScheduleRun' });
export type ScheduleRun = z.output<typeof scheduleRunSchema>;

export const scheduleRunListQuerySchema = z.strictObject({
  ...pageQuery,
  outcome: queryList(oneOf(RUN_OUTCOMES), RUN_OUTCOMES.length).optional().meta({
    description: 'With one of these outcomes, separated by commas.',
    example: 'failed,missed',
  }),
});
export type ScheduleRunListQuery = z.output<typeof scheduleRunListQuerySchema>;
export const scheduleRunListSchema = listSchema('ScheduleRunList', scheduleRunSchema);

function isTimezone(name: string): boolean {
  // A fixed offset such as +02:00 is none, though some versions of Intl take it.
  if (!/^[A-Za-z]/.test(name)) return false;
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}
