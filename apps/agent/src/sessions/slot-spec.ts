import { checkSlotSpec, type SlotSpec, SlotSpecError, UNKNOWN_U32 } from '@synscope/probe-wire';
import { type DesiredSession, Probe, type SessionFilter } from '@synscope/protocol';

/** The agent cannot run this session; the message says why, for people. */
export class SessionRefused extends Error {
  override readonly name = 'SessionRefused';
}

const PROBE_NAMES: Readonly<Record<Probe, string>> = {
  [Probe.UNSPECIFIED]: 'unspecified',
  [Probe.TCP_HANDSHAKE]: 'tcp_handshake',
  [Probe.DNS]: 'dns',
  [Probe.LISTENER]: 'listener',
  [Probe.NAME_LOOKUP]: 'name_lookup',
};

const SUPPORTED: ReadonlySet<Probe> = new Set([Probe.TCP_HANDSHAKE]);

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
];

/** What the kernel is to filter for this session. Throws SessionRefused. */
export function slotSpecOf(session: DesiredSession, slot: number): SlotSpec {
  const unsupported = session.probes.filter((probe) => !SUPPORTED.has(probe));
  if (unsupported.length > 0) {
    const names = unsupported.map((probe) => PROBE_NAMES[probe] ?? `number ${probe}`).join(', ');
    throw new SessionRefused(`this agent has no probe ${names}; it has tcp_handshake`);
  }
  if (session.probes.length === 0) throw new SessionRefused('the session names no probe');

  const filter: Partial<SessionFilter> = session.filter ?? {};
  const spec: SlotSpec = {
    slot,
    minLatencyNs: (filter.minLatencyUs ?? 0n) * 1000n,
    sampleThreshold: sampleThreshold(session.sampleRate),
    roles: filter.roles ?? [],
    outcomes: filter.outcomes ?? [],
    remotePorts: filter.remotePorts ?? [],
    localPorts: filter.localPorts ?? [],
    remotePrefixes: filter.remotePrefixes ?? [],
    processNames: filter.processNames ?? [],
  };
  try {
    checkSlotSpec(spec);
  } catch (error) {
    if (error instanceof SlotSpecError) throw new SessionRefused(inProtocolTerms(error.message));
    throw error;
  }
  return spec;
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
