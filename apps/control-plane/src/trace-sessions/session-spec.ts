import { create } from '@bufbuild/protobuf';
import type { ProbeName, TraceSessionCreate, TraceSessionSpec } from '@synscope/api-contract';
import {
  type DesiredSession,
  DesiredSessionSchema,
  HandshakeOutcome,
  HandshakeRole,
  Probe,
} from '@synscope/protocol';
import { parseSelector, type Selector, SelectorSyntaxError } from '@synscope/selector';
import { invalidField } from '../errors/api-error.js';
import { uuidToBytes } from '../grpc/uuid-bytes.js';
import { parsePrefix, withoutHostBits } from './address-prefix.js';
import { invalidSelector, probeNotAvailable } from './trace-session.errors.js';

/** What agents of this version can run; the contract names more, for later ones. */
const AVAILABLE_PROBES: Readonly<Partial<Record<ProbeName, Probe>>> = { tcp_handshake: Probe.TCP_HANDSHAKE };

const ROLES = { client: HandshakeRole.CLIENT, server: HandshakeRole.SERVER } as const;
const OUTCOMES = {
  established: HandshakeOutcome.ESTABLISHED,
  refused: HandshakeOutcome.REFUSED,
  timed_out: HandshakeOutcome.TIMED_OUT,
  unreachable: HandshakeOutcome.UNREACHABLE,
  aborted: HandshakeOutcome.ABORTED,
  reset: HandshakeOutcome.RESET,
} as const;

export interface CheckedSpec {
  readonly spec: TraceSessionSpec;
  readonly selector: Selector;
}

/** What the schema of the contract cannot say. Throws ApiError. */
export function checkSpec({ name: _, ...spec }: TraceSessionCreate): CheckedSpec {
  for (const [index, probe] of spec.probes.entries()) {
    if (AVAILABLE_PROBES[probe] === undefined)
      throw probeNotAvailable(index, probe, Object.keys(AVAILABLE_PROBES));
  }
  for (const [index, prefix] of spec.filter.remoteCidrs.entries()) {
    const meant = withoutHostBits(prefix);
    if (meant !== null) {
      throw invalidField(
        `filter.remoteCidrs.${index}`,
        `${prefix} has bits set beyond its length; write ${meant}`,
      );
    }
  }
  if (spec.filter.queryNameSuffixes.length > 0 && !spec.probes.includes('dns')) {
    throw invalidField(
      'filter.queryNameSuffixes',
      'applies to the probe dns only, which this session does not ask for',
    );
  }
  return { spec, selector: readSelector(spec.selector) };
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
  const { filter } = spec;
  return create(DesiredSessionSchema, {
    sessionId: uuidToBytes(sessionId),
    probes: spec.probes.map((probe) => AVAILABLE_PROBES[probe] ?? Probe.UNSPECIFIED),
    filter: {
      roles: filter.roles.map((role) => ROLES[role]),
      outcomes: filter.outcomes.map((outcome) => OUTCOMES[outcome]),
      minLatencyUs: BigInt(Math.round(filter.minLatencyMs * 1_000)),
      remotePorts: filter.remotePorts,
      localPorts: filter.localPorts,
      remotePrefixes: filter.remoteCidrs.map(parsePrefix),
      processNames: filter.processNames,
    },
    sampleRate: spec.sampleRate,
    endsAtUs: BigInt(endsAt.getTime()) * 1_000n,
    maxRecords: BigInt(spec.maxRecordsPerAgent),
  });
}
