import { counted, harmOf } from './observe.js';
import type { Rule } from './rule.js';
import { endpoint, pathSubject } from './subject.js';

export const portClosed: Rule = {
  code: 'port_closed',
  looksFor: 'SYNs that were answered by a RST: nothing listens on that port.',
  needs: ['a client’s handshake that was refused'],
  wouldBeRefutedBy:
    '`ss -ltn` on the server’s host showing a listener on that address and port; then a firewall or proxy sends the RST (or an ICMP “port unreachable”), or the listener appeared later.',
  onHandshake: (situation) => {
    const { handshake, listener } = situation;
    if (handshake.role !== 'client' || handshake.outcome !== 'refused') return null;
    const { remoteAddress, remotePort } = handshake;
    return {
      subject: pathSubject(handshake, listener?.agentId ?? situation.serverTracedBy),
      severity: 'warning',
      title: `Nothing listens on ${endpoint(remoteAddress, remotePort)}: connections are refused`,
      evidence: [counted('handshakes that were answered by a RST', handshake)],
      advice: [
        {
          what: 'the service on that port',
          now: 'not listening',
          suggested:
            'start it, or correct the address and port that the clients use; if it does listen, look for a firewall that rejects them',
        },
      ],
      harm: harmOf(situation),
    };
  },
};
