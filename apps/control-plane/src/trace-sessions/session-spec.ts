import { create } from '@bufbuild/protobuf';
import {
  PROBES_OF_FILTER_FIELD,
  type SessionFilterSpec,
  sessionFilterSchema,
  type TraceSessionCreate,
  type TraceSessionSpec,
} from '@synscope/api-contract';
import { type DesiredSession, DesiredSessionSchema } from '@synscope/protocol';
import { parseSelector, type Selector, SelectorSyntaxError } from '@synscope/selector';
import { invalidField } from '../errors/api-error.js';
import { uuidToBytes } from '../grpc/uuid-bytes.js';
import { withoutHostBits } from './address-prefix.js';
import { PROBE_NUMBERS } from './probes.js';
import { toProtocolFilter } from './protocol-filter.js';
import { invalidSelector } from './trace-session.errors.js';

export interface CheckedSpec {
  readonly spec: TraceSessionSpec;
  readonly selector: Selector;
}

/** What the schema of the contract cannot say. Throws ApiError. */
export function checkSpec({ name: _, ...spec }: TraceSessionCreate): CheckedSpec {
  checkFieldsAct(spec);
  checkPrefixes('remoteCidrs', spec.filter.remoteCidrs);
  checkPrefixes('dnsServers', spec.filter.dnsServers);
  if (spec.filter.responseCodes.length > 0 && spec.filter.dnsOutcomes.join() === 'unanswered') {
    throw invalidField(
      'filter.responseCodes',
      'nothing can match: a query that was not answered has no response code; leave out one of dnsOutcomes and responseCodes',
    );
  }
  return { spec, selector: readSelector(spec.selector) };
}

const UNFILTERED: SessionFilterSpec = sessionFilterSchema.parse({});

/** What says the same of DNS. */
const DNS_COUNTERPARTS: Readonly<Partial<Record<keyof SessionFilterSpec, keyof SessionFilterSpec>>> = {
  roles: 'dnsSides',
  outcomes: 'dnsOutcomes',
  remotePorts: 'dnsPorts',
  remoteCidrs: 'dnsServers',
};

/** A field that acts on none of the session's probes is a mistake that would otherwise show as too many records. */
function checkFieldsAct({ filter, probes }: TraceSessionSpec): void {
  for (const field of Object.keys(filter) as (keyof SessionFilterSpec)[]) {
    const acting = PROBES_OF_FILTER_FIELD[field];
    if (!acting || acting.some((probe) => probes.includes(probe))) continue;
    if (JSON.stringify(filter[field]) === JSON.stringify(UNFILTERED[field])) continue;
    const counterpart = probes.includes('dns') ? DNS_COUNTERPARTS[field] : undefined;
    throw invalidField(
      `filter.${field}`,
      `acts on ${acting.join(' and ')} only, which this session does not ask for; leave it out` +
        `${counterpart ? `, use ${counterpart}` : ''} or add ${acting.join(' or ')} to probes`,
    );
  }
}

function checkPrefixes(field: 'remoteCidrs' | 'dnsServers', prefixes: readonly string[]): void {
  for (const [index, prefix] of prefixes.entries()) {
    const meant = withoutHostBits(prefix);
    if (meant === null) continue;
    throw invalidField(
      `filter.${field}.${index}`,
      `${prefix} has bits set beyond its length; write ${meant}`,
    );
  }
}

function readSelector(text: string): Selector {
  try {
    return parseSelector(text);
  } catch (error) {
    if (error instanceof SelectorSyntaxError) throw invalidSelector(error.message);
    throw error;
  }
}

/** The session as an agent gets it. */
export function toDesiredSession(sessionId: string, spec: TraceSessionSpec, endsAt: Date): DesiredSession {
  return create(DesiredSessionSchema, {
    sessionId: uuidToBytes(sessionId),
    probes: spec.probes.map((probe) => PROBE_NUMBERS[probe]),
    filter: toProtocolFilter(spec.filter),
    sampleRate: spec.sampleRate,
    endsAtUs: BigInt(endsAt.getTime()) * 1_000n,
    maxRecords: BigInt(spec.maxRecordsPerAgent),
  });
}
