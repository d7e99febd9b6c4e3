import { lacksSynAck, refusedSyns, synsOf } from './handshakes.js';
import { counted, harmOf, longest, noted } from './observe.js';
import type { Rule, Verdict } from './rule.js';
import type { HandshakeSituation } from './situation.js';
import { endpoint, pathSubject } from './subject.js';
import { PATIENT_SYN_RETRANSMITS } from './thresholds.js';

/** The server's host, which saw everything, saw no SYN at all while this client sent several. */
export function nothingArrived({ handshake, peer, listener, serverTracedBy }: HandshakeSituation): boolean {
  if (handshake.role !== 'client' || peer !== null || serverTracedBy === null) return false;
  const inVain =
    handshake.outcome === 'timed_out' ||
    (handshake.outcome === 'aborted' && handshake.synRetransmits >= PATIENT_SYN_RETRANSMITS);
  return inVain && (listener === null || synsOf(listener) === 0);
}

function verdict(situation: HandshakeSituation, waitUs: number): Verdict {
  const { handshake, peer, listener, serverTracedBy } = situation;
  const serverAgent = peer?.agentId ?? listener?.agentId ?? serverTracedBy;
  const { remoteAddress, remotePort } = handshake;
  return {
    subject: pathSubject(handshake, serverAgent),
    severity: handshake.outcome === 'established' ? 'warning' : 'critical',
    title: `SYNs to ${endpoint(remoteAddress, remotePort)} are lost on the way`,
    evidence: [
      counted('handshakes whose first SYN never reached the server’s host', handshake),
      ...(handshake.outcome === 'established' ? [] : [counted('of these, never completed', handshake)]),
      longest('the longest wait until a SYN got through or was given up, µs', waitUs, handshake),
      noted('SYNs refused by the listener meanwhile', listener ? refusedSyns(listener) : 0),
    ],
    advice: [
      {
        what: 'the way from the clients to the server',
        now: null,
        suggested:
          'look for drops where the packets pass: `ip -s link` and `ethtool -S` on both hosts, firewalls with rate limits, full connection tracking tables (`conntrack -S`), load balancers, policers',
      },
    ],
    harm: harmOf(situation),
  };
}

export const synLostOnPath: Rule = {
  code: 'syn_lost_on_path',
  looksFor: 'SYNs that the client sent and that never reached the server’s host.',
  needs: [
    'the records of both ends, of which the client’s shows a SYN sent again and the server’s a handshake that took no longer than the network; or no record at all on a server’s host that is traced completely',
    'the listener’s samples without a refused SYN all the while',
  ],
  wouldBeRefutedBy:
    'a capture on the server’s host (`tcpdump -ni any "tcp[tcpflags] & tcp-syn != 0"`) that shows the client’s first SYN.',
  onHandshake: (situation) => {
    const { handshake, peer, listener, listenerTraced, otherPortsAnswered } = situation;
    if (!lacksSynAck(situation)) return null;
    if (listener && refusedSyns(listener) > 0) return null;
    if (peer) {
      const waitUs = peer.lostSynWaitUs ?? 0;
      if (!listenerTraced || waitUs < (peer.lostSynAckWaitUs ?? 0)) return null;
      return verdict(situation, waitUs);
    }
    if (!nothingArrived(situation) || otherPortsAnswered.length > 0) return null;
    return verdict(situation, handshake.latencyUs ?? 0);
  },
};
