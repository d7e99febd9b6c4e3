import type { HandshakeOutcomeName, HandshakeRoleName } from '@synscope/api-contract';

/**
 * What rules are asked about. All times (`atUs`, `fromUs`, `untilUs`) are microseconds since the Unix epoch by the control plane's clock, so
 * that records of hosts whose clocks differ can be laid beside each other.
 */
export interface HandshakeEnd {
  readonly id: string;
  readonly agentId: string;
  readonly role: HandshakeRoleName;
  readonly outcome: HandshakeOutcomeName;
  /** When it was established or had failed. */
  readonly atUs: number;
  readonly localAddress: string;
  readonly localPort: number;
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly netns: number | null;
  readonly processName: string | null;
  readonly latencyUs: number | null;
  readonly acceptWaitUs: number | null;
  readonly srttUs: number | null;
  readonly synRetransmits: number;
  readonly synAckRetransmits: number;
  readonly flags: number;
}

// HandshakeColumns.flags of proto/synscope/agent/v1/records.proto.
export const FLAG_SYN_COOKIE = 1;
export const FLAG_NOT_YET_ACCEPTED = 8;

/** A listening socket within an interval. */
export interface ListenerSample {
  readonly id: string;
  readonly agentId: string;
  readonly netns: number | null;
  readonly address: string;
  readonly port: number;
  readonly socketCookie: string;
  readonly processName: string | null;
  readonly fromUs: number;
  readonly untilUs: number;
  readonly syns: number;
  readonly refusedAcceptQueueFull: number;
  readonly refusedSynQueueFull: number;
  readonly refusedUnexplained: number;
  readonly answeredByCookie: number;
  readonly acksDroppedAcceptQueueFull: number;
  readonly acksDroppedOnCookiePath: number;
  readonly acceptQueueLength: number;
  readonly acceptQueueLimit: number;
  readonly acceptQueuePeak: number;
  readonly synQueuePeak: number;
  readonly somaxconn: number | null;
  readonly tcpMaxSynBacklog: number | null;
  readonly tcpSyncookies: number | null;
}

/** Datagrams that a socket on a DNS port could not take. */
export interface ReceiveDrop {
  readonly id: string;
  readonly agentId: string;
  readonly netns: number | null;
  readonly address: string;
  readonly port: number;
  readonly side: 'client' | 'resolver';
  readonly cause: 'buffer_full' | 'memory_limit';
  readonly drops: number;
  readonly receiveBufferBytes: number;
  readonly processName: string | null;
  readonly fromUs: number;
  readonly untilUs: number;
}

/** A DNS query as one side saw it. */
export interface QueryEnd {
  readonly id: string;
  readonly agentId: string;
  readonly side: 'client' | 'resolver';
  readonly outcome: 'answered' | 'late' | 'unanswered';
  /** When it was answered or given up. */
  readonly atUs: number;
  readonly elapsedUs: number;
  readonly clientAddress: string;
  readonly clientPort: number;
  readonly serverAddress: string;
  readonly serverPort: number;
  readonly netns: number | null;
  readonly queryName: string;
  readonly queryType: number;
  readonly messageId: number;
  readonly attempt: number | null;
  readonly processName: string | null;
}

export function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1';
}

export function isWildcard(address: string): boolean {
  return address === '0.0.0.0' || address === '::';
}
