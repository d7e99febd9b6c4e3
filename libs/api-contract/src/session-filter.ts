import { z } from 'zod';
import { domainNameSchema } from './dns/domain-name.js';
import { queryTypeSchema } from './dns/query-types.js';
import { responseCodeSchema } from './dns/response-codes.js';
import { DNS_OUTCOMES, DNS_SIDES } from './dns-query.js';
import { HANDSHAKE_OUTCOMES, HANDSHAKE_ROLES } from './handshake.js';
import { addressOrPrefixSchema, prefixSchema } from './shared/address.js';
import { oneOf } from './shared/record.js';

/** What can be measured. `name_lookup`: calls of getaddrinfo(). `listener`: listening TCP sockets. */
export const PROBES = ['tcp_handshake', 'dns', 'name_lookup', 'listener'] as const;
export type ProbeName = (typeof PROBES)[number];

/** An hour in milliseconds, far beyond what a kernel waits for an answer. */
const MAX_MIN_LATENCY_MS = 3_600_000;
/** As in /proc/PID/comm (TASK_COMM_LEN less the final zero). */
const MAX_PROCESS_NAME_BYTES = 15;

export const distinct = (values: readonly unknown[]): boolean => new Set(values).size === values.length;
export const TWICE = 'the same value is given twice';

/** Different values, at most `maximum`. */
function filterValues<T extends z.ZodType>(item: T, maximum: number) {
  return z
    .array(item)
    .max(maximum, {
      error: ({ input }) =>
        `at most ${maximum} values are allowed, this list has ${Array.isArray(input) ? input.length : 'more'}`,
    })
    .refine(distinct, TWICE);
}

/** Empty or left out, it matches everything. */
function filterList<T extends z.ZodType>(item: T, maximum: number) {
  return filterValues(item, maximum).default([]);
}

const filterPortSchema = z
  .int('expected a port from 1 to 65535')
  .min(1, 'expected a port from 1 to 65535')
  .max(65_535, 'expected a port from 1 to 65535');

const processNameSchema = z
  .string()
  .min(1)
  .refine((name) => new TextEncoder().encode(name).length <= MAX_PROCESS_NAME_BYTES, {
    error: `the kernel keeps ${MAX_PROCESS_NAME_BYTES} bytes of a process name; give it as in /proc/PID/comm`,
  });

const handshakeFilterFields = {
  roles: filterList(oneOf(HANDSHAKE_ROLES), 2).meta({
    description: '`tcp_handshake`: of connections that this host began (`client`) or accepted (`server`).',
  }),
  outcomes: filterList(oneOf(HANDSHAKE_OUTCOMES), 6).meta({
    description: '`tcp_handshake`: how the handshake ended.',
  }),
  remotePorts: filterList(filterPortSchema, 64).meta({
    description: '`tcp_handshake`: port of the peer; 1–65535, at most 64.',
    example: [443],
  }),
  remoteCidrs: filterList(prefixSchema, 64).meta({
    description: '`tcp_handshake`: prefixes of the peer’s address, at most 64.',
    example: ['10.0.0.0/8', 'fd00::/8'],
  }),
};

const localPortFields = {
  localPorts: filterList(filterPortSchema, 64).meta({
    description: '`tcp_handshake`, `listener`: port of this host; 1–65535, at most 64.',
  }),
};

const latencyFilterFields = {
  minLatencyMs: z.number().min(0).max(MAX_MIN_LATENCY_MS).default(0).meta({
    description:
      '`tcp_handshake`, `dns`, `name_lookup`: what is faster is left out. What failed always passes: a handshake that was not established, a query that was answered late or not at all, a lookup that returned an error. Milliseconds, with decimals, at most an hour.',
  }),
};

const nameFilterFields = {
  queryNames: filterList(domainNameSchema, 64).meta({
    description:
      '`dns`, `name_lookup`: exactly these names, at most 64. Any case, with or without the final dot; international names become A-labels.',
    example: ['www.example.com'],
  }),
  queryNameSuffixes: filterList(domainNameSchema, 64).meta({
    description:
      '`dns`, `name_lookup`: these names and everything below them, at most 64: `example.com` covers `www.example.com`, not `badexample.com`. A name passes that is in `queryNames` or covered by one of these.',
    example: ['example.com'],
  }),
};

const dnsFilterFields = {
  queryTypes: filterList(queryTypeSchema, 32).meta({
    description: '`dns`: by mnemonic (`AAAA`) or number (`TYPE65`), at most 32.',
    example: ['A', 'AAAA'],
  }),
  responseCodes: filterList(responseCodeSchema, 32).meta({
    description:
      '`dns`: by mnemonic (`SERVFAIL`) or number (`RCODE2`), at most 32. A query without an answer has none, and does not pass.',
    example: ['SERVFAIL'],
  }),
  dnsOutcomes: filterList(oneOf(DNS_OUTCOMES), 3).meta({
    description: '`dns`: how the query ended.',
  }),
  dnsSides: filterList(oneOf(DNS_SIDES), 2).meta({
    description: '`dns`: queries that this host sent (`client`) or was asked (`resolver`).',
  }),
  dnsServers: filterList(addressOrPrefixSchema, 64).meta({
    description: '`dns`: addresses or prefixes of the server that is asked, at most 64.',
    example: ['10.0.0.53', 'fd00::/8'],
  }),
  dnsPorts: filterValues(filterPortSchema, 8)
    .min(1, 'name at least one port, or leave it out for 53')
    .default([53])
    .meta({ description: '`dns`: ports of the server on which DNS is spoken; 1–65535, at most 8.' }),
};

export const sessionFilterSchema = z
  .strictObject({
    ...latencyFilterFields,
    processNames: filterList(processNameSchema, 32).meta({
      description: 'Every probe: as in /proc/PID/comm, at most 15 bytes each, at most 32.',
    }),
    ...handshakeFilterFields,
    ...localPortFields,
    ...nameFilterFields,
    ...dnsFilterFields,
  })
  .meta({
    id: 'SessionFilter',
    description:
      'Fields are ANDed, values within one list ORed; an empty list matches all. A field acts on the probes that its description begins with; one that acts on none of the session’s probes is refused.',
  });
export type SessionFilterSpec = z.output<typeof sessionFilterSchema>;

/** Fields that act on some probes only, with those. */
export const PROBES_OF_FILTER_FIELD: Readonly<
  Partial<Record<keyof SessionFilterSpec, readonly ProbeName[]>>
> = {
  ...probesOf(latencyFilterFields, ['tcp_handshake', 'dns', 'name_lookup']),
  ...probesOf(handshakeFilterFields, ['tcp_handshake']),
  ...probesOf(localPortFields, ['tcp_handshake', 'listener']),
  ...probesOf(nameFilterFields, ['dns', 'name_lookup']),
  ...probesOf(dnsFilterFields, ['dns']),
};

function probesOf<F extends object>(
  fields: F,
  probes: readonly ProbeName[],
): Record<keyof F, readonly ProbeName[]> {
  return Object.fromEntries(Object.keys(fields).map((field) => [field, probes])) as Record<
    keyof F,
    readonly ProbeName[]
  >;
}
