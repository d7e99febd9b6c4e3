import type { ProbeName } from '@synscope/api-contract';
import { Probe } from '@synscope/protocol';

export const PROBE_NUMBERS: Readonly<Record<ProbeName, Probe>> = {
  tcp_handshake: Probe.TCP_HANDSHAKE,
  dns: Probe.DNS,
  name_lookup: Probe.NAME_LOOKUP,
  listener: Probe.LISTENER,
};
