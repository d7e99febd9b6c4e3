import {
  checkSlotSpec,
  configurePayloadSize,
  FRAME_PAYLOAD_MAX,
  PROBE_NAMES,
  type ProbeName,
  ProbeNumber,
  type SlotSpec,
  SlotSpecError,
  UNKNOWN_U32,
} from '@synscope/probe-wire';
import { type DesiredSession, Probe, type SessionFilter } from '@synscope/protocol';
import { type NamePolicy, namePolicyRefusal } from '../names/name-policy.js';

/** The agent cannot run this session; the message says why, for people. */
class SessionRefused extends Error {
  override readonly name = 'SessionRefused';
}

const PROBE_TITLES: Readonly<Record<Probe, string>> = {
  [Probe.UNSPECIFIED]: 'unspecified',
  [Probe.TCP_HANDSHAKE]: 'tcp_handshake',
  [Probe.DNS]: 'dns',
  [Probe.LISTENER]: 'listener',
  [Probe.NAME_LOOKUP]: 'name_lookup',
};

/** SlotSpec's names → those of the agent protocol. */
const FIELD_NAMES: readonly (readonly [RegExp, string])[] = [
  [/^minLatencyNs/, 'filter.min_latency_us'],
  [/^sampleThreshold/, 'sample_rate'],
  [/^roles/, 'filter.roles'],
  [/^outcomes/, 'filter.outcomes'],
  [/^remotePorts/, 'filter.remote_ports'],
  [/^localPorts/, 'filter.local_ports'],
  [/^remotePrefixes/, 'filter.remote_prefixes'],
  [/^processNames/, 'filter.process_names'],
  [/^dnsSides/, 'filter.dns_sides'],
  [/^dnsOutcomes/, 'filter.dns_outcomes'],
  [/^dnsPorts/, 'filter.dns_ports'],
  [/^dnsServerPrefixes/, 'filter.dns_server_prefixes'],
  [/^queryTypes/, 'filter.query_types'],
  [/^responseCodes/, 'filter.response_codes'],
  [/^queryNameSuffixes/, 'filter.query_name_suffixes'],
  [/^queryNames/, 'filter.query_names'],
];

/** What the kernel is to filter for this session. Throws what `refusalOf` tells of it. */
export function slotSpecOf(session: DesiredSession, slot: number, policy: NamePolicy): SlotSpec {
  const filter: Partial<SessionFilter> = session.filter ?? {};
  const refusal = namePolicyRefusal(policy, filter);
  if (refusal !== null) throw new SessionRefused(refusal);
  const spec: SlotSpec = {
    slot,
    probes: probesOf(session),
    minLatencyNs: (filter.minLatencyUs ?? 0n) * 1000n,
    sampleThreshold: sampleThreshold(session.sampleRate),
    processNames: filter.processNames ?? [],
    roles: filter.roles ?? [],
    outcomes: filter.outcomes ?? [],
    remotePorts: filter.remotePorts ?? [],
    localPorts: filter.localPorts ?? [],
    remotePrefixes: filter.remotePrefixes ?? [],
    dnsSides: filter.dnsSides ?? [],
    dnsOutcomes: filter.dnsOutcomes ?? [],
    dnsPorts: filter.dnsPorts ?? [],
    dnsServerPrefixes: filter.dnsServerPrefixes ?? [],
    queryTypes: filter.queryTypes ?? [],
    responseCodes: filter.responseCodes ?? [],
    queryNames: filter.queryNames ?? [],
    queryNameSuffixes: filter.queryNameSuffixes ?? [],
  };
  try {
    checkSlotSpec(spec);
  } catch (error) {
    if (error instanceof SlotSpecError) throw new SessionRefused(inProtocolTerms(error.message));
    throw error;
  }
  return spec;
}

/** Why the probe cannot take this session in this slot besides `others`; undefined if it can. */
export function refusalOf(
  session: DesiredSession,
  slot: number,
  others: readonly SlotSpec[],
  policy: NamePolicy,
): string | undefined {
  try {
    const bytes = configurePayloadSize([slotSpecOf(session, slot, policy), ...others]);
    if (bytes <= FRAME_PAYLOAD_MAX) return undefined;
    return `the filters of all sessions on this host need ${bytes} bytes with this one, and the probe takes ${FRAME_PAYLOAD_MAX}: give it fewer query names`;
  } catch (error) {
    if (error instanceof SessionRefused) return error.message;
    throw error;
  }
}

/** In the order of PROBE_NAMES, each once. Throws SessionRefused. */
function probesOf({ probes }: DesiredSession): ProbeName[] {
  if (probes.length === 0) throw new SessionRefused('the session names no probe');
  const known = PROBE_NAMES.filter((name) => probes.includes(ProbeNumber[name]));
  const unknown = probes.filter((probe) => !PROBE_NAMES.some((name) => ProbeNumber[name] === probe));
  if (unknown.length > 0) {
    const titles = unknown.map((probe) => PROBE_TITLES[probe] ?? `number ${probe}`).join(', ');
    throw new SessionRefused(`this agent has no probe ${titles}; it has ${PROBE_NAMES.join(', ')}`);
  }
  return known;
}

/** Kept are the hashes 0…threshold out of 2^32. */
function sampleThreshold(rate: number): number {
  if (!(rate > 0 && rate <= 1)) {
    throw new SessionRefused(`sample_rate is ${rate}, not above 0 and at most 1`);
  }
  return rate === 1 ? UNKNOWN_U32 : Math.max(0, Math.floor(rate * 4294967296) - 1);
}

function inProtocolTerms(message: string): string {
  const name = FIELD_NAMES.find(([pattern]) => pattern.test(message));
  return name === undefined ? message : message.replace(name[0], name[1]);
}
