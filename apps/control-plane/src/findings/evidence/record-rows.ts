import {
  HANDSHAKE_OUTCOMES,
  HANDSHAKE_ROLES,
  RECEIVE_QUEUE_DROP_CAUSES,
  resolveTime,
} from '@synscope/api-contract';
import { nameOf } from '../../record-queries/record-row.js';
import { observedAtOfRecordId } from '../../record-storage/record-id.js';
import type { Activity } from './address-book.js';
import type { HandshakeEnd, ListenerSample, QueryEnd, ReceiveDrop } from './records.js';

/** Microseconds by the control plane's clock of what an agent observed then by its own. */
export type TimeOf = (agentId: string, observedUs: number) => number;

export interface HandshakeRow {
  readonly id: string;
  readonly agent_id: string;
  readonly role: number;
  readonly outcome: number;
  readonly local_address: string;
  readonly local_port: number;
  readonly remote_address: string;
  readonly remote_port: number;
  readonly netns: number | null;
  readonly process_name: string | null;
  readonly latency_us: number | null;
  readonly accept_wait_us: number | null;
  readonly srtt_us: number | null;
  readonly syn_retransmits: number | null;
  readonly syn_ack_retransmits: number | null;
  readonly flags: number;
}

export const HANDSHAKE_COLUMNS = `id, agent_id, role, outcome, host(local_address) AS local_address, local_port,
  host(remote_address) AS remote_address, remote_port, netns, process_name, latency_us, accept_wait_us, srtt_us,
  syn_retransmits, syn_ack_retransmits, flags`;

/** When the record with this id was observed, put right. */
function atOf({ id, agent_id }: { readonly id: string; readonly agent_id: string }, timeOf: TimeOf): number {
  return timeOf(agent_id, observedAtOfRecordId(id) ?? 0);
}

export function toHandshakeEnd(row: HandshakeRow, timeOf: TimeOf): HandshakeEnd {
  return {
    id: row.id,
    agentId: row.agent_id,
    role: nameOf(HANDSHAKE_ROLES, row.role),
    outcome: nameOf(HANDSHAKE_OUTCOMES, row.outcome),
    atUs: atOf(row, timeOf),
    localAddress: row.local_address,
    localPort: row.local_port,
    remoteAddress: row.remote_address,
    remotePort: row.remote_port,
    netns: row.netns,
    processName: row.process_name,
    latencyUs: row.latency_us,
    acceptWaitUs: row.accept_wait_us,
    srttUs: row.srtt_us,
    synRetransmits: row.syn_retransmits ?? 0,
    synAckRetransmits: row.syn_ack_retransmits ?? 0,
    flags: row.flags,
  };
}

export interface ActivityRow {
  readonly agentId: string;
  readonly netns: number | null;
  readonly role: number;
  readonly localAddress: string;
  readonly serverAddress: string;
  readonly serverPort: number;
  readonly establishedAt: string | null;
  readonly seenAt: string;
}

/** 1 is the client's role, and established. Ephemeral ports are left out, or each handshake would be a group. */
export const ACTIVITY_COLUMNS = `agent_id AS "agentId", netns, role, host(local_address) AS "localAddress",
  host(CASE role WHEN 1 THEN remote_address ELSE local_address END) AS "serverAddress",
  CASE role WHEN 1 THEN remote_port ELSE local_port END AS "serverPort",
  max(observed_at) FILTER (WHERE outcome = 1) AS "establishedAt", max(observed_at) AS "seenAt"`;

export function toActivity(row: ActivityRow, timeOf: TimeOf): Activity {
  const time = (text: string) => timeOf(row.agentId, Number(resolveTime(text, 0) ?? 0n));
  const { agentId, netns, localAddress, serverAddress, serverPort } = row;
  return {
    agentId,
    netns,
    localAddress,
    serverAddress,
    serverPort,
    role: nameOf(HANDSHAKE_ROLES, row.role),
    establishedAtUs: row.establishedAt === null ? null : time(row.establishedAt),
    seenAtUs: time(row.seenAt),
  };
}

export interface ListenerRow {
  readonly id: string;
  readonly agent_id: string;
  readonly netns: number | null;
  readonly local_address: string;
  readonly local_port: number;
  readonly socket_cookie: string;
  readonly process_name: string | null;
  readonly interval_us: number;
  readonly syns: number;
  readonly syns_refused_accept_queue_full: number;
  readonly syns_refused_syn_queue_full: number;
  readonly syns_refused_unexplained: number;
  readonly syns_answered_by_cookie: number;
  readonly acks_dropped_accept_queue_full: number;
  readonly acks_dropped_on_cookie_path: number;
  readonly accept_queue_length: number;
  readonly accept_queue_limit: number;
  readonly accept_queue_peak: number;
  readonly syn_queue_peak: number;
  readonly somaxconn: number | null;
  readonly tcp_max_syn_backlog: number | null;
  readonly tcp_syncookies: number | null;
}

export const LISTENER_COLUMNS = `id, agent_id, netns, host(local_address) AS local_address, local_port,
  socket_cookie::text AS socket_cookie, process_name, interval_us, syns, syns_refused_accept_queue_full,
  syns_refused_syn_queue_full, syns_refused_unexplained, syns_answered_by_cookie, acks_dropped_accept_queue_full,
  acks_dropped_on_cookie_path, accept_queue_length, accept_queue_limit, accept_queue_peak, syn_queue_peak, somaxconn,
  tcp_max_syn_backlog, tcp_syncookies`;

export function toListenerSample(row: ListenerRow, timeOf: TimeOf): ListenerSample {
  const untilUs = atOf(row, timeOf);
  return {
    id: row.id,
    agentId: row.agent_id,
    netns: row.netns,
    address: row.local_address,
    port: row.local_port,
    socketCookie: row.socket_cookie,
    processName: row.process_name,
    fromUs: untilUs - row.interval_us,
    untilUs,
    syns: row.syns,
    refusedAcceptQueueFull: row.syns_refused_accept_queue_full,
    refusedSynQueueFull: row.syns_refused_syn_queue_full,
    refusedUnexplained: row.syns_refused_unexplained,
    answeredByCookie: row.syns_answered_by_cookie,
    acksDroppedAcceptQueueFull: row.acks_dropped_accept_queue_full,
    acksDroppedOnCookiePath: row.acks_dropped_on_cookie_path,
    acceptQueueLength: row.accept_queue_length,
    acceptQueueLimit: row.accept_queue_limit,
    acceptQueuePeak: row.accept_queue_peak,
    synQueuePeak: row.syn_queue_peak,
    somaxconn: row.somaxconn,
    tcpMaxSynBacklog: row.tcp_max_syn_backlog,
    tcpSyncookies: row.tcp_syncookies,
  };
}

export interface DropRow {
  readonly id: string;
  readonly agent_id: string;
  readonly netns: number | null;
  readonly local_address: string;
  readonly local_port: number;
  readonly side: number;
  readonly cause: number;
  readonly drops: number;
  readonly receive_buffer_bytes: number;
  readonly process_name: string | null;
  readonly interval_us: number;
}

export const DROP_COLUMNS = `id, agent_id, netns, host(local_address) AS local_address, local_port, side, cause, drops,
  receive_buffer_bytes, process_name, interval_us`;

export function toDrop(row: DropRow, timeOf: TimeOf): ReceiveDrop {
  const untilUs = atOf(row, timeOf);
  return {
    id: row.id,
    agentId: row.agent_id,
    netns: row.netns,
    address: row.local_address,
    port: row.local_port,
    side: nameOf(['client', 'resolver'] as const, row.side),
    cause: nameOf(RECEIVE_QUEUE_DROP_CAUSES, row.cause),
    drops: row.drops,
    receiveBufferBytes: row.receive_buffer_bytes,
    processName: row.process_name,
    fromUs: untilUs - row.interval_us,
    untilUs,
  };
}

export interface QueryRow {
  readonly id: string;
  readonly agent_id: string;
  readonly side: number;
  readonly outcome: number;
  readonly elapsed_us: number;
  readonly client_address: string;
  readonly client_port: number;
  readonly server_address: string;
  readonly server_port: number;
  readonly netns: number | null;
  readonly query_name: string;
  readonly query_type: number;
  readonly message_id: number;
  readonly attempt: number | null;
  readonly process_name: string | null;
}

export const QUERY_COLUMNS = `id, agent_id, side, outcome, elapsed_us, host(client_address) AS client_address, client_port,
  host(server_address) AS server_address, server_port, netns, query_name, query_type, message_id, attempt, process_name`;

export function toQueryEnd(row: QueryRow, timeOf: TimeOf): QueryEnd {
  return {
    id: row.id,
    agentId: row.agent_id,
    side: nameOf(['client', 'resolver'] as const, row.side),
    outcome: nameOf(['answered', 'late', 'unanswered'] as const, row.outcome),
    atUs: atOf(row, timeOf),
    elapsedUs: row.elapsed_us,
    clientAddress: row.client_address,
    clientPort: row.client_port,
    serverAddress: row.server_address,
    serverPort: row.server_port,
    netns: row.netns,
    queryName: row.query_name,
    queryType: row.query_type,
    messageId: row.message_id,
    attempt: row.attempt,
    processName: row.process_name,
  };
}
