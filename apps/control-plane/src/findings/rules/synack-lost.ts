import { counted, harmOf, longest } from './observe.js';
import type { Rule } from './rule.js';
import { endpoint, pathSubject } from './subject.js';

export const synAckLost: Rule = {
  code: 'synack_lost',
  looksFor: 'SYN-ACKs that the server sent and that never reached the client.',
  needs: [
    'the records of both ends: the client sent its SYN again, although the server had accepted the first one and answered it',
  ],
  wouldBeRefutedBy:
    'a capture on the client’s host that shows the server’s first SYN-ACK before the second SYN leaves, or a network round trip of more than a second.',
  onHandshake: (situation) => {
    const { handshake, peer } = situation;
    const waitUs = peer?.lostSynAckWaitUs ?? 0;
    if (handshake.role !== 'client' || peer === null || waitUs <= 0) return null;
    if (waitUs < (peer.lostSynWaitUs ?? 0)) return null;
    const { remoteAddress, remotePort } = handshake;
    return {
      subject: pathSubject(handshake, peer.agentId),
      severity: 'warning',
      title: `SYN-ACKs of ${endpoint(remoteAddress, remotePort)} are lost on the way back`,
      evidence: [
        counted(
          'handshakes whose first SYN-ACK never reached the client',
          handshake,
          ...(peer.end ? [peer.end] : []),
        ),
        longest('the longest wait for another SYN-ACK, µs', waitUs, handshake),
      ],
      advice: [
        {
          what: 'the way from the server back to the clients',
          now: null,
          suggested:
            'look for drops where the packets pass, which need not be the way there: asymmetric routes, stateful firewalls that saw only one direction, reverse-path filters (`nstat -az TcpExtIPReversePathFilter`), `ip -s link` and `ethtool -S`',
        },
      ],
      harm: harmOf(situation),
    };
  },
};
