import type { ListenerView } from '../evidence/listener-memory.js';
import { acceptQueueAdvice } from './backlog-advice.js';
import { lacksSynAck, waitsForAccept } from './handshakes.js';
import { counted, harmOf, longest, noted, sampled } from './observe.js';
import { NO_HARM, type Rule, type Verdict } from './rule.js';
import { endpoint, listenerSubject } from './subject.js';

function verdict(listener: ListenerView): Verdict {
  const { samples, address, port, processName } = listener;
  const syns = samples.reduce((total, sample) => total + sample.syns, 0);
  // A tenth of all SYNs: clients notice more than a slow start here and there.
  const critical = listener.refusedAcceptQueueFull * 10 >= syns;
  return {
    subject: listenerSubject(listener),
    severity: critical ? 'critical' : 'warning',
    title: `${processName ?? 'A process'} on ${endpoint(address, port)} refuses connections: its accept queue is full`,
    evidence: [
      ...sampled('SYNs refused because the accept queue was full', samples, (s) => s.refusedAcceptQueueFull),
      ...sampled('SYNs that came', samples, (s) => s.syns),
      ...sampled('connections waiting for accept(), at most', samples, (s) => s.acceptQueuePeak, 'max'),
      noted('limit of the accept queue', samples.at(-1)?.acceptQueueLimit ?? 'not seen'),
      ...bySocket(listener),
    ],
    advice: acceptQueueAdvice(listener),
    harm: { ...NO_HARM, hosts: [listener.agentId] },
  };
}

/** Of a SO_REUSEPORT group, what each socket refused: one worker may be stuck while the others are idle. */
function bySocket({ samples }: ListenerView) {
  const cookies = [...new Set(samples.map(({ socketCookie }) => socketCookie))];
  if (cookies.length < 2) return [];
  return cookies.slice(0, 8).flatMap((cookie) =>
    sampled(
      `SYNs refused by socket ${cookie} of the group`,
      samples.filter(({ socketCookie }) => socketCookie === cookie),
      (s) => s.refusedAcceptQueueFull,
    ),
  );
}

export const acceptQueueFull: Rule = {
  code: 'accept_queue_full',
  looksFor: 'SYNs that a listening socket refused because its accept queue was full.',
  needs: [
    'the listener’s own samples: SYNs that reached it and were refused while its accept queue was above its limit',
  ],
  wouldBeRefutedBy:
    'ListenOverflows in the listener’s network namespace (`nstat -az TcpExtListenOverflows`) that does not rise while SYNs are refused, or `ss -ltn` showing Recv-Q at or below Send-Q all the while.',
  onListener: ({ listener }) => (listener.refusedAcceptQueueFull > 0 ? verdict(listener) : null),
  onHandshake: (situation) => {
    const { handshake, listener } = situation;
    if (!listener || listener.refusedAcceptQueueFull === 0) return null;
    const delayed = lacksSynAck(situation) && listener.refusedAcceptQueueFull >= listener.refusedSynQueueFull;
    if (!delayed && !(waitsForAccept(situation) && listener.acksDropped === 0)) return null;
    const { evidence: _, ...rest } = verdict(listener);
    return {
      ...rest,
      evidence: delayed
        ? [
            counted('handshakes of clients that had to send their SYN again meanwhile', handshake),
            longest('the longest of these, µs', handshake.latencyUs ?? 0, handshake),
          ]
        : [longest('a connection waited for accept(), µs', handshake.acceptWaitUs ?? 0, handshake)],
      harm: harmOf(situation),
    };
  },
};
