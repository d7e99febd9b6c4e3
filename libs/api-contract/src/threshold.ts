import { z } from 'zod';
import { queryNameSchema } from './dns/query-name.js';
import { DNS_SIDES } from './dns-query.js';
import { HANDSHAKE_ROLES } from './handshake.js';
import { addressOrPrefixSchema, portSchema } from './shared/address.js';
import { identifierOutputSchema } from './shared/identifier.js';
import { listSchema, pageQuery } from './shared/list.js';
import { queryList } from './shared/query-values.js';
import { countSchema, oneOf } from './shared/record.js';
import { selectorTextSchema } from './shared/selector.js';
import { timestampSchema } from './shared/time.js';

export const THRESHOLD_METRICS = [
  'handshake_latency',
  'dns_latency',
  'handshake_failure_ratio',
  'dns_failure_ratio',
] as const;
export type ThresholdMetric = (typeof THRESHOLD_METRICS)[number];

export const THRESHOLD_PERCENTILES = ['p50', 'p90', 'p99', 'max'] as const;
export type ThresholdPercentile = (typeof THRESHOLD_PERCENTILES)[number];

export const THRESHOLD_STATES = ['ok', 'exceeded'] as const;
export type ThresholdState = (typeof THRESHOLD_STATES)[number];

const ANY_FIELDS = ['selector', 'processName'];
const HANDSHAKE_FIELDS = [...ANY_FIELDS, 'role', 'remoteAddress', 'remotePort', 'localPort'];
const DNS_FIELDS = [...ANY_FIELDS, 'side', 'serverAddress', 'queryName', 'queryNameSuffix'];
/** What the filter of each metric may name. */
const FIELDS_OF_METRIC: Readonly<Record<ThresholdMetric, readonly string[]>> = {
  handshake_latency: HANDSHAKE_FIELDS,
  handshake_failure_ratio: HANDSHAKE_FIELDS,
  dns_latency: DNS_FIELDS,
  dns_failure_ratio: DNS_FIELDS,
};

export const thresholdFilterSchema = z
  .strictObject({
    selector: selectorTextSchema.optional().meta({
      description: 'Observed by agents with such labels, as in Kubernetes; those of all agents if left out.',
      example: 'env=prod',
    }),
    processName: z.string().min(1).max(255).optional().meta({ description: 'Exactly as in /proc/PID/comm.' }),
    role: oneOf(HANDSHAKE_ROLES).optional().meta({
      description: 'Handshakes: whose side is measured; `client` if left out.',
    }),
    remoteAddress: addressOrPrefixSchema.optional().meta({
      description: 'Handshakes: address or prefix of the peer.',
      example: '10.0.3.0/24',
    }),
    remotePort: portSchema.optional().meta({ description: 'Handshakes: port of the peer.', example: 5432 }),
    localPort: portSchema.optional().meta({ description: 'Handshakes: port of the observing host.' }),
    side: oneOf(DNS_SIDES).optional().meta({
      description: 'DNS: whose side is measured; `client` if left out.',
    }),
    serverAddress: addressOrPrefixSchema
      .optional()
      .meta({ description: 'DNS: address or prefix of the server.' }),
    queryName: queryNameSchema.optional().meta({ description: 'DNS: exactly this name.' }),
    queryNameSuffix: queryNameSchema.optional().meta({
      description: 'DNS: this name and those below it.',
      example: 'example.com',
    }),
  })
  .meta({ id: 'ThresholdFilter', description: 'What is measured: all of it must fit.' });
export type ThresholdFilter = z.output<typeof thresholdFilterSchema>;

const fields = {
  name: z
    .string()
    .trim()
    .min(1, 'a name is needed')
    .max(100)
    .meta({ description: 'Unique among the thresholds.', example: 'database connects' }),
  metric: oneOf(THRESHOLD_METRICS).meta({
    description:
      '`…_latency`: a percentile of `latencyUs`; a minute in which no DNS query was answered at all is above every threshold. `…_failure_ratio`: the failed ones of all.',
  }),
  percentile: oneOf(THRESHOLD_PERCENTILES).meta({
    description: 'Of a latency: which percentile, or the largest.',
  }),
  aboveMs: z
    .number()
    .positive()
    .max(3_600_000)
    .meta({ description: 'Of a latency: what it has to be above, milliseconds with decimals.', example: 50 }),
  aboveRatio: z
    .number()
    .min(0)
    .max(1)
    .meta({ description: 'Of a ratio: what it has to be above, 0 to 1.', example: 0.01 }),
  forMinutes: z
    .int()
    .min(1)
    .max(60)
    .meta({ description: 'In so many minutes in a row, 1 to 60.', example: 5 }),
  minCount: z.int().min(1).max(1_000_000).meta({
    description: 'A minute with fewer records says nothing: it is neither above nor below.',
    example: 10,
  }),
  enabled: z.boolean().meta({ description: 'Nothing is evaluated while it is false.' }),
};

interface Settings {
  readonly metric: ThresholdMetric;
  readonly percentile?: ThresholdPercentile | null | undefined;
  readonly aboveMs?: number | null | undefined;
  readonly aboveRatio?: number | null | undefined;
  readonly filter: ThresholdFilter;
}

/** Which fields do not go together, and why. */
export function thresholdFaults(
  settings: Settings,
): { readonly path: (string | number)[]; readonly message: string }[] {
  const { metric, percentile, aboveMs, aboveRatio, filter } = settings;
  const isRatio = metric.endsWith('_failure_ratio');
  const wrong = (path: string, is: boolean, message: string) => (is ? [{ path: [path], message }] : []);
  const fits = FIELDS_OF_METRIC[metric];
  return [
    ...wrong('aboveMs', !isRatio && aboveMs == null, `is needed with ${metric}`),
    ...wrong('aboveMs', isRatio && aboveMs != null, `does not go with ${metric}; use aboveRatio`),
    ...wrong('aboveRatio', isRatio && aboveRatio == null, `is needed with ${metric}`),
    ...wrong('aboveRatio', !isRatio && aboveRatio != null, `does not go with ${metric}; use aboveMs`),
    ...wrong('percentile', isRatio && percentile != null, `does not go with ${metric}; leave it out`),
    ...Object.keys(filter)
      .filter((field) => !fits.includes(field))
      .map((field) => ({
        path: ['filter', field],
        message: `does not act on ${metric}; its filter may name ${fits.join(', ')}`,
      })),
  ];
}

export const thresholdCreateSchema = z
  .strictObject({
    name: fields.name,
    metric: fields.metric,
    percentile: fields.percentile.optional().meta({ description: 'Of a latency: which; `p99` if left out.' }),
    filter: thresholdFilterSchema.default({}),
    aboveMs: fields.aboveMs.optional(),
    aboveRatio: fields.aboveRatio.optional(),
    forMinutes: fields.forMinutes.default(5),
    minCount: fields.minCount.default(10),
    enabled: fields.enabled.default(true),
  })
  .superRefine((settings, context) => {
    for (const { path, message } of thresholdFaults(settings))
      context.addIssue({ code: 'custom', path, message });
  })
  .meta({ id: 'ThresholdCreate' });
export type ThresholdCreate = z.output<typeof thresholdCreateSchema>;

export const thresholdUpdateSchema = z
  .strictObject({
    name: fields.name.optional(),
    percentile: fields.percentile.optional(),
    filter: thresholdFilterSchema.optional(),
    aboveMs: fields.aboveMs.optional(),
    aboveRatio: fields.aboveRatio.optional(),
    forMinutes: fields.forMinutes.optional(),
    minCount: fields.minCount.optional(),
    enabled: fields.enabled.optional(),
  })
  .refine((body) => Object.values(body).some((value) => value !== undefined), 'name a field to change')
  .meta({
    id: 'ThresholdUpdate',
    description:
      'What is not named stays as it is; `filter` is replaced as a whole. The metric cannot be changed.',
  });
export type ThresholdUpdate = z.output<typeof thresholdUpdateSchema>;

export const thresholdSchema = z
  .strictObject({
    id: identifierOutputSchema,
    name: fields.name,
    metric: fields.metric,
    percentile: fields.percentile.nullable().meta({ description: 'Null for a ratio.' }),
    filter: thresholdFilterSchema,
    aboveMs: fields.aboveMs.nullable().meta({ description: 'Null for a ratio.' }),
    aboveRatio: fields.aboveRatio.nullable().meta({ description: 'Null for a latency.' }),
    forMinutes: fields.forMinutes,
    minCount: fields.minCount,
    enabled: fields.enabled,
    state: z.enum(THRESHOLD_STATES).meta({
      description:
        '`exceeded` after `forMinutes` minutes above; `ok` again after one that is not, or after as many that say nothing.',
    }),
    since: timestampSchema.meta({ description: 'Since when it is in this state.' }),
    minutesAbove: countSchema.meta({ description: 'How many of the last minutes in a row were above.' }),
    lastValue: z.number().nullable().meta({
      description:
        'Of the minute that was evaluated last: milliseconds, or the ratio. Null if there were too few records, or no answer to any query.',
    }),
    lastCount: countSchema.nullable().meta({ description: 'Its records; null before the first evaluation.' }),
    lastMinute: timestampSchema
      .nullable()
      .meta({ description: 'When that minute began; null before the first.' }),
    lastError: z
      .string()
      .nullable()
      .meta({ description: 'Why the last evaluation failed; null if it did not.' }),
    createdAt: timestampSchema,
    updatedAt: timestampSchema.meta({ description: 'When it was last changed by a request.' }),
  })
  .meta({ id: 'Threshold' });
export type Threshold = z.output<typeof thresholdSchema>;

export const thresholdListQuerySchema = z.strictObject({
  ...pageQuery,
  name: fields.name.optional().meta({ description: 'The one with exactly this name.' }),
  state: queryList(oneOf(THRESHOLD_STATES), THRESHOLD_STATES.length).optional().meta({
    description: 'In one of these states, separated by commas.',
    example: 'exceeded',
  }),
});
export type ThresholdListQuery = z.output<typeof thresholdListQuerySchema>;
export const thresholdListSchema = listSchema('ThresholdList', thresholdSchema);
