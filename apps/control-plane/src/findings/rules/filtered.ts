import { counted, harmOf, noted } from './observe.js';
import type { Rule } from './rule.js';
import { endpoint, pathSubject } from './subject.js';
import { nothingArrived } from './syn-lost-on-path.js';

export const filtered: Rule = {
  code: 'filtered',
  looksFor: 'A port whose SYNs all vanish, while other ports of the same address answer the same client.',
  needs: [
    'a client’s handshake that timed out although the server’s host, traced completely, saw no SYN; or one that was refused by ICMP',
    'another port of the address that answered the same client’s host meanwhile',
  ],
  wouldBeRefutedBy:
    'a capture on the server’s host that shows the SYNs arriving, or any handshake of that client with that port that succeeds.',
  onHandshake: (situation) => {
    const { handshake, otherPortsAnswered, serverTracedBy, listener } = situation;
    if (handshake.role !== 'client' || otherPortsAnswered.length === 0) return null;
    const byMessage = handshake.outcome === 'unreachable';
    if (!byMessage && !nothingArrived(situation)) return null;
    const { remoteAddress, remotePort } = handshake;
    return {
      subject: pathSubject(handshake, listener?.agentId ?? serverTracedBy),
      severity: 'critical',
      title: `${endpoint(remoteAddress, remotePort)} is filtered: ${byMessage ? 'ICMP refuses connections' : 'SYNs vanish without an answer'}`,
      evidence: [
        byMessage
          ? counted('handshakes that ICMP said cannot be', handshake)
          : counted('handshakes whose SYNs all vanished before the server’s host', handshake),
        noted(
          'other ports of the address that answered this client meanwhile',
          otherPortsAnswered.slice(0, 10).join(', '),
        ),
      ],
      advice: [
        {
          what: 'firewall rules for that port',
          now: byMessage ? 'rejected' : 'dropped',
          suggested:
            'allow it where packets are filtered between the two (`nft list ruleset`, security groups, network policies), on the server’s host too: what its firewall drops never reaches a socket',
        },
      ],
      harm: harmOf(situation),
    };
  },
};
