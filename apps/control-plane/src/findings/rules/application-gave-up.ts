import { counted, harmOf, longest } from './observe.js';
import type { Rule } from './rule.js';
import { endpoint, pathSubject } from './subject.js';
import { SHORTEST_PATIENCE_US } from './thresholds.js';

export const applicationGaveUp: Rule = {
  code: 'application_gave_up',
  looksFor:
    'Clients whose application closed the connection before an answer came: its timeout is shorter than the handshake.',
  needs: [
    'a client’s handshake that its own application aborted after at least 300 ms, or after a SYN was sent again',
  ],
  wouldBeRefutedBy:
    '`strace -e trace=connect,close` of the process showing ETIMEDOUT from connect(): then the kernel gave up.',
  onHandshake: (situation) => {
    const { handshake } = situation;
    if (handshake.role !== 'client' || handshake.outcome !== 'aborted') return null;
    const waitedUs = handshake.latencyUs ?? 0;
    if (waitedUs < SHORTEST_PATIENCE_US && handshake.synRetransmits === 0) return null;
    const process = handshake.processName ?? 'A process';
    const { remoteAddress, remotePort } = handshake;
    return {
      subject: { ...pathSubject(handshake, null), name: handshake.processName },
      severity: 'info',
      title: `${process} gives up connecting to ${endpoint(remoteAddress, remotePort)} before an answer comes`,
      evidence: [
        counted('handshakes that the application gave up', handshake),
        longest('the longest it waited, µs', waitedUs, handshake),
        longest('SYNs it sent again meanwhile, at most', handshake.synRetransmits, handshake),
      ],
      advice: [
        {
          what: `connect timeout of ${process}`,
          now: `at most ${Math.round(waitedUs / 1_000)} ms`,
          suggested:
            'more than 3 s survives the loss of a SYN or two, which the kernel sends again after about 1, 2 and 3 s; and look why no answer came, by tracing the server’s host too',
        },
      ],
      harm: harmOf(situation),
    };
  },
};
