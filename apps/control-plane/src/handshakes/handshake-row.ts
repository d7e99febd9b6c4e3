import {
  HANDSHAKE_FLAGS,
  HANDSHAKE_OUTCOMES,
  HANDSHAKE_ROLES,
  type Handshake,
  type HandshakeFlagName,
} from '@synscope/api-contract';

export interface HandshakeRow {
  readonly id: string;
  readonly observed_at: string;
  readonly agent_id: string;
  readonly hostname: string | null;
  readonly session_ids: string[];
  readonly role: number;
  readonly outcome: number;
  readonly local_address: string;
  readonly local_port: number;
  readonly remote_address: string;
  readonly remote_port: number;
  readonly family: number;
  readonly pid: number | null;
  readonly process_name: string | null;
  readonly cgroup_id: number | null;
  readonly container_id: string | null;
  readonly latency_us: number | null;
  readonly syn_retransmits: number | null;
  readonly syn_ack_retransmits: number | null;
  readonly srtt_us: number | null;
  readonly accept_wait_us: number | null;
  readonly client_isn: number | null;
  readonly server_isn: number | null;
  readonly netns: number | null;
  readonly flags: number;
}

/** The columns of {@link HandshakeRow} but for the hostname, from `handshake`. */
export const HANDSHAKE_ROW_COLUMNS = `id, observed_at, agent_id, session_ids, role, outcome, host(local_address) AS local_address, local_port,
  host(remote_address) AS remote_address, remote_port, family(remote_address) AS family, pid, process_name, cgroup_id, container_id,
  latency_us, syn_retransmits, syn_ack_retransmits, srtt_us, accept_wait_us, client_isn, server_isn, netns, flags`;

export function toHandshake(row: HandshakeRow): Handshake {
  return {
    id: row.id,
    observedAt: row.observed_at,
    agentId: row.agent_id,
    hostname: row.hostname,
    sessionIds: row.session_ids,
    role: nameOf(HANDSHAKE_ROLES, row.role),
    outcome: nameOf(HANDSHAKE_OUTCOMES, row.outcome),
    family: row.family === 4 ? 'ipv4' : 'ipv6',
    local: { address: row.local_address, port: row.local_port },
    remote: { address: row.remote_address, port: row.remote_port },
    process: {
      pid: row.pid,
      name: row.process_name,
      cgroupId: row.cgroup_id,
      containerId: row.container_id,
    },
    latencyUs: row.latency_us,
    synRetransmits: row.syn_retransmits,
    synAckRetransmits: row.syn_ack_retransmits,
    srttUs: row.srtt_us,
    acceptWaitUs: row.accept_wait_us,
    clientIsn: row.client_isn,
    serverIsn: row.server_isn,
    netns: row.netns,
    flags: flagNames(row.flags),
  };
}

/** Roles and outcomes are numbered from 1, as in the agent protocol. */
export function nameOf<T>(names: readonly T[], number: number): T {
  const name = names[number - 1];
  if (name === undefined) throw new RangeError(`${number} is stored, and has no name`);
  return name;
}

/** Bit n of the flags is the n-th name. */
function flagNames(flags: number): HandshakeFlagName[] {
  return HANDSHAKE_FLAGS.filter((_, bit) => (flags >> bit) & 1);
}
