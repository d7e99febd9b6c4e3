import type { MessageInitShape } from '@bufbuild/protobuf';
import { queryTypes, responseCodes, type SessionFilterSpec } from '@synscope/api-contract';
import {
  DnsOutcome,
  DnsSide,
  HandshakeOutcome,
  HandshakeRole,
  type SessionFilterSchema,
} from '@synscope/protocol';
import { parsePrefix } from './address-prefix.js';

const ROLES = { client: HandshakeRole.CLIENT, server: HandshakeRole.SERVER } as const;
const OUTCOMES = {
  established: HandshakeOutcome.ESTABLISHED,
  refused: HandshakeOutcome.REFUSED,
  timed_out: HandshakeOutcome.TIMED_OUT,
  unreachable: HandshakeOutcome.UNREACHABLE,
  aborted: HandshakeOutcome.ABORTED,
  reset: HandshakeOutcome.RESET,
} as const;
const DNS_SIDES = { client: DnsSide.CLIENT, resolver: DnsSide.RESOLVER } as const;
const DNS_OUTCOMES = {
  answered: DnsOutcome.ANSWERED,
  late: DnsOutcome.LATE,
  unanswered: DnsOutcome.UNANSWERED,
} as const;

/** The filter as agents get it. The contract's schema has let all of it through. */
export function toProtocolFilter(filter: SessionFilterSpec): MessageInitShape<typeof SessionFilterSchema> {
  return {
    roles: filter.roles.map((role) => ROLES[role]),
    outcomes: filter.outcomes.map((outcome) => OUTCOMES[outcome]),
    minLatencyUs: BigInt(Math.round(filter.minLatencyMs * 1_000)),
    remotePorts: filter.remotePorts,
    localPorts: filter.localPorts,
    remotePrefixes: filter.remoteCidrs.map(parsePrefix),
    processNames: filter.processNames,
    queryNames: filter.queryNames,
    queryNameSuffixes: filter.queryNameSuffixes,
    dnsSides: filter.dnsSides.map((side) => DNS_SIDES[side]),
    dnsOutcomes: filter.dnsOutcomes.map((outcome) => DNS_OUTCOMES[outcome]),
    dnsPorts: filter.dnsPorts,
    dnsServerPrefixes: filter.dnsServers.map(parsePrefix),
    queryTypes: filter.queryTypes.map((name) => known(queryTypes.numberOf(name), name)),
    responseCodes: filter.responseCodes.map((name) => known(responseCodes.numberOf(name), name)),
  };
}

function known(number: number | null, name: string): number {
  if (number === null) throw new RangeError(`${name} is in a session, and has no number`);
  return number;
}
