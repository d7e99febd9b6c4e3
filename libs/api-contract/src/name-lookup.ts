import { z } from 'zod';
import { lookupNameListSchema } from './dns/lookup-name.js';
import { listSchema, pageQuery } from './shared/list.js';
import { queryList } from './shared/query-values.js';
import {
  microsecondsSchema,
  minLatencyMsSchema,
  recordFields,
  recordFilterFields,
  recordOrderSchema,
} from './shared/record.js';
import { summaryFields, summaryItemFields, summarySchema } from './shared/summary.js';
import { timestampSchema } from './shared/time.js';

/** What getaddrinfo() returns: the EAI_… of netdb.h, on which glibc and musl agree; what they do not name is told as its number. */
const LOOKUP_RESULTS: Readonly<Record<string, number>> = {
  success: 0,
  EAI_BADFLAGS: -1,
  EAI_NONAME: -2,
  EAI_AGAIN: -3,
  EAI_FAIL: -4,
  EAI_NODATA: -5,
  EAI_FAMILY: -6,
  EAI_SOCKTYPE: -7,
  EAI_SERVICE: -8,
  EAI_ADDRFAMILY: -9,
  EAI_MEMORY: -10,
  EAI_SYSTEM: -11,
  EAI_OVERFLOW: -12,
  EAI_INPROGRESS: -100,
  EAI_CANCELED: -101,
  EAI_NOTCANCELED: -102,
  EAI_ALLDONE: -103,
  EAI_INTR: -104,
  EAI_IDN_ENCODE: -105,
};
const RESULT_NAMES = new Map(Object.entries(LOOKUP_RESULTS).map(([name, code]) => [code, name]));

export function lookupResultName(code: number): string {
  return RESULT_NAMES.get(code) ?? String(code);
}

export const LOOKUP_FAMILIES = ['any', 'ipv4', 'ipv6', 'other'] as const;
export type LookupFamily = (typeof LOOKUP_FAMILIES)[number];

const RESULT =
  '`success`, or the EAI_… of the C library: `EAI_NONAME` no such name, `EAI_AGAIN` no server answered, or SERVFAIL; a number that netdb.h does not name is told as such.';

export const nameLookupSchema = z
  .strictObject({
    id: recordFields.id,
    observedAt: timestampSchema.meta({
      description: 'When getaddrinfo() returned, by the clock of the host.',
    }),
    calledAt: timestampSchema.meta({ description: 'When it was called, by the clock of the host.' }),
    agentId: recordFields.agentId,
    hostname: recordFields.hostname,
    sessionIds: recordFields.sessionIds,
    process: recordFields.process,
    name: z.string().meta({
      description:
        'As the application gave it, in lower case without a final dot; bytes that are not printable ASCII as `\\DDD`, a backslash as `\\\\`. Or what the agent’s privacy policy has made of it.',
      example: 'www.example.com',
    }),
    nameCut: z.boolean().meta({ description: 'It was longer than 255 bytes and is cut.' }),
    family: z.enum(LOOKUP_FAMILIES).meta({ description: 'The addresses that were asked for.' }),
    result: z.string().meta({ description: RESULT, example: 'EAI_AGAIN' }),
    resultCode: z.int().meta({ description: 'The same as the C library has it; 0 is success.', example: -3 }),
    latencyUs: microsecondsSchema.meta({ description: 'Call to return, microseconds.' }),
    netns: recordFields.netns,
  })
  .meta({
    id: 'NameLookup',
    description:
      'One call of getaddrinfo(): what the application waited for, also where no DNS packet could be seen (DoT, DoH, nscd, hosts files).',
  });
export type NameLookup = z.output<typeof nameLookupSchema>;

const resultSchema = z
  .string()
  .transform((text, context) => {
    const code = /^-?\d{1,5}$/.test(text) ? Number(text) : LOOKUP_RESULTS[text];
    if (code !== undefined) return code;
    context.addIssue(`expected a number or one of ${Object.keys(LOOKUP_RESULTS).join(', ')}`);
    return z.NEVER;
  })
  .pipe(z.int());

const filterFields = {
  ...recordFilterFields,
  minLatencyMs: minLatencyMsSchema.meta({
    description: 'Least `latencyUs`, in milliseconds with decimals. From 20 on, an index answers.',
  }),
  result: queryList(resultSchema).optional().meta({ description: RESULT, example: 'EAI_AGAIN' }),
  name: lookupNameListSchema.optional().meta({
    description:
      'Exactly these names, separated by commas: any case, with or without the final dot. International names are found as A-labels and as they are.',
    example: 'www.example.com',
  }),
  nameSuffix: lookupNameListSchema.optional().meta({
    description: 'These names and everything below them, whole labels only.',
    example: 'example.com',
  }),
};
const nameLookupFilterSchema = z.strictObject(filterFields);
export type NameLookupFilter = z.output<typeof nameLookupFilterSchema>;

export const nameLookupListQuerySchema = z.strictObject({
  ...filterFields,
  ...pageQuery,
  order: recordOrderSchema.meta({ description: 'Newest first, or slowest first.' }),
});
export type NameLookupListQuery = z.output<typeof nameLookupListQuerySchema>;
export const nameLookupListSchema = listSchema('NameLookupList', nameLookupSchema);

export const NAME_LOOKUP_GROUP_KEYS = [
  'name',
  'result',
  'processName',
  'agentId',
  'hostname',
  'sessionId',
] as const;
export type NameLookupGroupKey = (typeof NAME_LOOKUP_GROUP_KEYS)[number];

export const nameLookupSummaryQuerySchema = z.strictObject({
  ...filterFields,
  ...summaryFields(NAME_LOOKUP_GROUP_KEYS),
});
export type NameLookupSummaryQuery = z.output<typeof nameLookupSummaryQuerySchema>;

export const nameLookupSummaryItemSchema = z
  .strictObject(summaryItemFields('Of those, with another result than `success`.', {}))
  .meta({ id: 'NameLookupSummaryItem' });
export const nameLookupSummarySchema = summarySchema('NameLookupSummary', nameLookupSummaryItemSchema);
export type NameLookupSummary = z.output<typeof nameLookupSummarySchema>;
