import type { ListenerView } from '../evidence/listener-memory.js';
import type { HandshakeSituation } from './situation.js';
import { SLOW_ACCEPT_US } from './thresholds.js';

/** A client that sent its SYN more than once, or in vain, and of whose first SYN nobody knows that it was answered. */
export function lacksSynAck({ handshake, peer }: HandshakeSituation): boolean {
  if (handshake.role !== 'client') return false;
  if (peer && peer.lostSynWaitUs !== null) return peer.lostSynWaitUs > 0;
  const failed = handshake.outcome === 'timed_out' || handshake.outcome === 'aborted';
  return failed || handshake.synRetransmits > 0;
}

/** A server that waits in vain for the third packet, or waited long. */
export function lacksAck({ handshake }: HandshakeSituation): boolean {
  if (handshake.role !== 'server') return false;
  if (handshake.outcome === 'timed_out') return true;
  return handshake.outcome === 'established' && handshake.synAckRetransmits > 0;
}

/** An established connection that the application was slow to take. */
export function waitsForAccept({ handshake }: HandshakeSituation): boolean {
  return handshake.role === 'server' && (handshake.acceptWaitUs ?? 0) >= SLOW_ACCEPT_US;
}

export function refusedSyns(listener: ListenerView): number {
  return listener.refusedAcceptQueueFull + listener.refusedSynQueueFull + listener.refusedUnexplained;
}

export function synsOf(listener: ListenerView): number {
  return listener.samples.reduce((total, { syns }) => total + syns, 0);
}
