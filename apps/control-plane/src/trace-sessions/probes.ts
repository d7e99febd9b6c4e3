import type { ProbeName } from '@synscope/api-contract';
import { Probe } from '@synscope/protocol';

export const PROBE_NUMBERS: Readonly<Record<ProbeName, Probe>> = {
  tcp_handshake: Probe.TCP_HANDSHAKE,
  dns: Probe.DNS,
  name_lookup: Probe.NAME_LOOKUP,
  listener: Probe.LISTENER,
};

/** What agents of this version can run; the contract names more, for later ones. */
export const AVAILABLE_PROBES: readonly ProbeName[] = ['tcp_handshake', 'dns', 'name_lookup'];

export function isAvailable(probe: ProbeName): boolean {
  return AVAILABLE_PROBES.includes(probe);
}
