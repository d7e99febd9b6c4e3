import { lacksAck } from './handshakes.js';
import { counted, harmOf, longest, noted } from './observe.js';
import type { Rule } from './rule.js';
import { endpoint, pathSubject } from './subject.js';

/** Half of what the kernel waits before it sends a SYN-ACK again: the client was done long before the server. Microseconds. */
const LEAST_DIFFERENCE_US = 500_000;

export const ackLost: Rule = {
  code: 'ack_lost',
  looksFor:
    'Third packets that the client sent and that never reached the server: the client is connected, the server sends its SYN-ACK again.',
  needs: [
    'the records of both ends: the client was established with its first SYN, the server only after it had sent its SYN-ACK again',
    'the listener’s samples without a dropped third packet all the while',
  ],
  wouldBeRefutedBy:
    'a capture on the server’s host that shows the client’s third packet before the second SYN-ACK leaves.',
  onHandshake: (situation) => {
    const { handshake, peer, listener, listenerTraced } = situation;
    const client = peer?.end ?? null;
    if (!lacksAck(situation) || peer === null || client === null) return null;
    if (client.outcome !== 'established' || client.synRetransmits > 0) return null;
    const lateUs = (handshake.latencyUs ?? Number.POSITIVE_INFINITY) - (client.latencyUs ?? 0);
    if (lateUs < LEAST_DIFFERENCE_US) return null;
    if (!listenerTraced || (listener?.acksDropped ?? 0) > 0) return null;
    const { remoteAddress, remotePort } = client;
    return {
      subject: pathSubject(client, handshake.agentId),
      severity: 'warning',
      title: `Third packets to ${endpoint(remoteAddress, remotePort)} are lost on the way`,
      evidence: [
        counted('handshakes that the client had completed and the server had not', client, handshake),
        longest(
          'how much later the server was established, at most, µs',
          Number.isFinite(lateUs) ? lateUs : 0,
          handshake,
        ),
        noted('third packets dropped by the listener meanwhile', 0),
      ],
      advice: [
        {
          what: 'the way from the clients to the server',
          now: null,
          suggested:
            'look for drops where the packets pass: stateful firewalls and load balancers that let a SYN through and not what follows, `ip -s link` and `ethtool -S` on both hosts',
        },
      ],
      harm: harmOf(situation),
    };
  },
};
