import { FLAG_NOT_YET_ACCEPTED } from '../evidence/records.js';
import { waitsForAccept } from './handshakes.js';
import { counted, harmOf, longest, noted } from './observe.js';
import type { Rule } from './rule.js';
import type { HandshakeSituation } from './situation.js';
import { endpoint, listenerSubject, localSubject } from './subject.js';
import { LONG_ACCEPT_US, SLOW_ACCEPTS } from './thresholds.js';

/** Not taken after a minute, and the queue was seen to hold connections: io_uring takes them by no system call that is seen. */
function neverAccepted({ handshake, listener }: HandshakeSituation): boolean {
  if (handshake.role !== 'server' || (handshake.flags & FLAG_NOT_YET_ACCEPTED) === 0) return false;
  return listener !== null && (listener.samples.at(-1)?.acceptQueueLength ?? 0) > 0;
}

export const slowAccept: Rule = {
  code: 'slow_accept',
  looksFor:
    'Established connections that the application takes long to accept(), without its queue overflowing.',
  needs: [
    'server’s handshakes whose wait from ESTABLISHED to the return of accept() was 1 s or more, or at least 3 within 30 s that waited 200 ms or more',
  ],
  wouldBeRefutedBy:
    '`ss -ltn` showing Recv-Q 0 for the listener all the while: then nothing waits for accept().',
  onHandshake: (situation) => {
    const { handshake, listener, slowAccepts } = situation;
    const waited = handshake.acceptWaitUs ?? 0;
    const never = neverAccepted(situation);
    if (!never && !waitsForAccept(situation)) return null;
    if (!never && waited < LONG_ACCEPT_US && slowAccepts < SLOW_ACCEPTS) return null;
    const { address, port } = listener ?? { address: handshake.localAddress, port: handshake.localPort };
    const process = handshake.processName ?? listener?.processName ?? 'The application';
    const harm = harmOf(situation);
    return {
      subject: listener ? listenerSubject(listener) : localSubject(handshake),
      severity: 'warning',
      title: `${process} on ${endpoint(address, port)} is slow to accept connections`,
      evidence: [
        ...(never ? [counted('connections that nobody had accepted after a minute', handshake)] : []),
        ...(waited > 0
          ? [
              counted('connections that waited long for accept()', handshake),
              longest('the longest wait for accept(), µs', waited, handshake),
            ]
          : []),
        ...(listener ? [noted('connections waiting for accept(), at most', listener.acceptQueuePeak)] : []),
      ],
      advice: [
        {
          what: `how ${process} calls accept()`,
          now:
            waited > 0
              ? `a connection waited ${Math.round(waited / 1_000)} ms`
              : 'a connection waits for more than a minute',
          suggested:
            'accept in a thread or worker of its own that does nothing else; look what the accepting thread does meanwhile (`perf trace -p`, a profiler), and whether it gets CPU',
        },
      ],
      harm: { ...harm, addedLatencyUs: waited },
    };
  },
};
