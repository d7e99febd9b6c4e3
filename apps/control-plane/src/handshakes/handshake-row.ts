import {
  HANDSHAKE_FLAGS,
  HANDSHAKE_OUTCOMES,
  HANDSHAKE_ROLES,
  type Handshake,
  type HandshakeFlagName,
} from '@synscope/api-contract';
import { nameOf, RECORD_ROW_COLUMNS, type RecordRow, recordFieldsOf } from '../record-queries/record-row.js';

export interface HandshakeRow extends RecordRow {
  readonly role: number;
  readonly outcome: number;
  readonly local_address: string;
  readonly local_port: number;
  readonly remote_address: string;
  readonly remote_port: number;
  readonly family: number;
  readonly latency_us: number | null;
  readonly syn_retransmits: number | null;
  readonly syn_ack_retransmits: number | null;
  readonly srtt_us: number | null;
  readonly accept_wait_us: number | null;
  readonly client_isn: number | null;
  readonly server_isn: number | null;
  readonly flags: number;
}

/** The columns of {@link HandshakeRow} but for the hostname, from `handshake`. */
export const HANDSHAKE_ROW_COLUMNS = `${RECORD_ROW_COLUMNS}, role, outcome, host(local_address) AS local_address, local_port,
  host(remote_address) AS remote_address, remote_port, family(remote_address) AS family, latency_us, syn_retransmits,
  syn_ack_retransmits, srtt_us, accept_wait_us, client_isn, server_isn, flags`;

export function toHandshake(row: HandshakeRow): Handshake {
  return {
    ...recordFieldsOf(row),
    role: nameOf(HANDSHAKE_ROLES, row.role),
    outcome: nameOf(HANDSHAKE_OUTCOMES, row.outcome),
    family: row.family === 4 ? 'ipv4' : 'ipv6',
    local: { address: row.local_address, port: row.local_port },
    remote: { address: row.remote_address, port: row.remote_port },
    latencyUs: row.latency_us,
    synRetransmits: row.syn_retransmits,
    synAckRetransmits: row.syn_ack_retransmits,
    srttUs: row.srtt_us,
    acceptWaitUs: row.accept_wait_us,
    clientIsn: row.client_isn,
    serverIsn: row.server_isn,
    flags: flagNames(row.flags),
  };
}

/** Bit n of the flags is the n-th name. */
function flagNames(flags: number): HandshakeFlagName[] {
  return HANDSHAKE_FLAGS.filter((_, bit) => (flags >> bit) & 1);
}
