import type { ListenerView } from '../evidence/listener-memory.js';
import { acceptQueueAdvice } from './backlog-advice.js';
import { lacksAck, waitsForAccept } from './handshakes.js';
import { counted, harmOf, longest, noted, sampled } from './observe.js';
import { NO_HARM, type Rule, type Verdict } from './rule.js';
import { endpoint, listenerSubject } from './subject.js';

function verdict(listener: ListenerView): Verdict {
  const { samples, address, port, processName } = listener;
  return {
    subject: listenerSubject(listener),
    severity: 'critical',
    title: `${processName ?? 'A process'} on ${endpoint(address, port)} drops third packets: its accept queue is full, and clients believe to be connected`,
    evidence: [
      ...sampled(
        'third packets dropped because the accept queue was full',
        samples,
        (s) => s.acksDroppedAcceptQueueFull,
      ),
      ...sampled('the same on the SYN-cookie path', samples, (s) => s.acksDroppedOnCookiePath),
      ...sampled('connections waiting for accept(), at most', samples, (s) => s.acceptQueuePeak, 'max'),
      noted('limit of the accept queue', samples.at(-1)?.acceptQueueLimit ?? 'not seen'),
    ],
    advice: acceptQueueAdvice(listener),
    harm: { ...NO_HARM, hosts: [listener.agentId] },
  };
}

export const ackDroppedByFullQueue: Rule = {
  code: 'ack_dropped_by_full_queue',
  looksFor:
    'Third packets of handshakes that a listening socket dropped because its accept queue was full: the client is connected, the server does not know it.',
  needs: ['the listener’s own samples with third packets that were dropped'],
  wouldBeRefutedBy:
    'ListenOverflows in the listener’s network namespace (`nstat -az TcpExtListenOverflows`) that does not rise while third packets are dropped.',
  onListener: ({ listener }) => (listener.acksDropped > 0 ? verdict(listener) : null),
  onHandshake: (situation) => {
    const { handshake, listener } = situation;
    if (!listener || listener.acksDropped === 0) return null;
    if (!lacksAck(situation) && !waitsForAccept(situation)) return null;
    return {
      ...verdict(listener),
      evidence: lacksAck(situation)
        ? [
            counted('handshakes that the server completed late or never', handshake),
            longest('the longest of these on the server, µs', handshake.latencyUs ?? 0, handshake),
          ]
        : [longest('a connection waited for accept(), µs', handshake.acceptWaitUs ?? 0, handshake)],
      harm: harmOf(situation),
    };
  },
};
