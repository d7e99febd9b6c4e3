import type { HandshakeEnd } from '../evidence/records.js';
import { lacksAck } from './handshakes.js';
import { counted, dropped, harmOf, harmOfQuery, longest, longestQuery, noted, queried } from './observe.js';
import type { Rule, Verdict } from './rule.js';
import type { HandshakeSituation, QuerySituation } from './situation.js';
import { endpoint, listenerSubject, localSubject, pathSubject, serverSubject } from './subject.js';
import { SLOW_ANSWER_US } from './thresholds.js';

const FAILED: Readonly<Partial<Record<HandshakeEnd['outcome'], string>>> = {
  timed_out: 'handshakes that got no answer until the kernel gave up',
  unreachable: 'handshakes that ICMP or the neighbour table said cannot be',
  reset: 'handshakes that were reset before they were complete',
};

/** What is missing for an explanation, for people. */
function missing({ handshake, peer, listener, listenerTraced, serverTracedBy }: HandshakeSituation): string {
  if (handshake.role === 'server') {
    return peer?.end
      ? 'samples of the listener: whether it dropped the third packet'
      : 'the client’s record of the handshake, and samples of the listener: whether the SYN-ACK or the third packet was lost, or dropped here';
  }
  if (peer) {
    return listenerTraced
      ? 'why the listener refused SYNs: neither of its queues was seen full'
      : 'samples of the listener: whether it refused the SYN';
  }
  if (listener === null && serverTracedBy === null)
    return 'the server’s side: no record shows that its host is traced';
  return 'whether these very SYNs reached the server’s host: others did';
}

function ofClient(situation: HandshakeSituation): Verdict | null {
  const { handshake, peer, listener } = situation;
  const failed = FAILED[handshake.outcome] ?? null;
  if (failed === null && !(handshake.outcome === 'established' && handshake.synRetransmits > 0)) return null;
  const { remoteAddress, remotePort, srttUs } = handshake;
  const place = endpoint(remoteAddress, remotePort);
  return {
    subject: pathSubject(handshake, peer?.agentId ?? listener?.agentId ?? null),
    severity: failed === null ? 'info' : 'warning',
    title: `Connections to ${place} ${failed === null ? 'are slow' : 'fail'}, and what was seen does not say why`,
    evidence: [
      counted(failed ?? 'handshakes whose SYN was sent again', handshake),
      longest('the longest of these, µs', handshake.latencyUs ?? 0, handshake),
      ...(srttUs === null
        ? []
        : [longest('round trip as the kernel measured it, at most, µs', srttUs, handshake)]),
      noted('what would explain it', missing(situation)),
    ],
    advice: [
      {
        what: `tracing of the host that has ${remoteAddress}`,
        now: peer || listener || situation.serverTracedBy ? 'traced, not completely' : 'not seen',
        suggested:
          'start a session with the probes tcp_handshake and listener that matches it, without minLatencyMs and other filters',
      },
    ],
    harm: harmOf(situation),
  };
}

function ofServer(situation: HandshakeSituation): Verdict | null {
  const { handshake, peer, listener } = situation;
  // One that never sent its SYN-ACK again did not wait long; one that the client had to begin again is judged as the client's.
  if (!lacksAck(situation) || handshake.synAckRetransmits === 0) return null;
  if (peer?.end && (peer.end.synRetransmits > 0 || peer.end.outcome !== 'established')) return null;
  const place = endpoint(handshake.localAddress, handshake.localPort);
  return {
    subject: listener ? listenerSubject(listener) : localSubject(handshake),
    severity: handshake.outcome === 'timed_out' ? 'warning' : 'info',
    title: `Handshakes with ${place} complete late or never, and what was seen does not say why`,
    evidence: [
      counted('handshakes whose SYN-ACK was sent again', handshake),
      longest('the longest of these that was completed, µs', handshake.latencyUs ?? 0, handshake),
      noted('what would explain it', missing(situation)),
    ],
    advice: [
      {
        what: 'tracing of the clients’ hosts',
        now: null,
        suggested:
          'start a session with the probe tcp_handshake that matches them and this host, and with listener here, without minLatencyMs and other filters',
      },
    ],
    harm: harmOf(situation),
  };
}

function ofQuery(situation: QuerySituation): Verdict | null {
  const { query, resolver, clientDrops } = situation;
  const lost = query.outcome !== 'answered' || situation.attempts > 1;
  if (query.side === 'resolver' && query.outcome !== 'unanswered') return null;
  // A slow answer alone may be one that was not cached: it is told of when its name is slow each time, by name_slow.
  if (!lost && !mostlySlow(situation)) return null;
  const { serverAddress, serverPort } = query;
  return {
    subject: serverSubject(query),
    severity: lost ? 'warning' : 'info',
    title: `DNS by ${endpoint(serverAddress, serverPort)} ${lost ? 'loses queries or answers' : 'is slow'}, and what was seen does not say why`,
    evidence: [
      queried(lost ? 'queries without an answer in time' : 'slow answers', query),
      longestQuery('the longest wait, µs', query.elapsedUs, query),
      ...(clientDrops.length > 0
        ? [dropped('answers dropped by the client’s own socket, whose receive buffer was full', clientDrops)]
        : []),
      noted(
        'what would explain it',
        resolver === null
          ? 'the resolver’s side: no record shows that its host is traced'
          : resolver.traced
            ? 'what the resolver waits for: it is slow or silent for all names'
            : 'all that the resolver’s host saw: its sessions leave some out, or records were lost',
      ),
    ],
    advice: [
      {
        what: `tracing of the resolver ${serverAddress}`,
        now: resolver === null ? 'not seen' : 'traced',
        suggested:
          'start a session with the probe dns that matches its host, without minLatencyMs and other filters',
      },
    ],
    harm: harmOfQuery(situation),
  };
}

/** The server is slow for whatever it is asked. */
function mostlySlow({ query, answers }: QuerySituation): boolean {
  const slow = answers.slowOfName + answers.slowOfOthers;
  const all = answers.ofName + answers.ofOthers;
  return query.elapsedUs >= SLOW_ANSWER_US && slow >= 5 && slow * 2 >= all;
}

export const unexplained: Rule = {
  code: 'unexplained',
  looksFor: 'Slow or failed handshakes and DNS queries that no other rule explains from what was seen.',
  needs: [
    'a handshake with a packet sent again or that failed, or a query that was lost, asked again or slow, and not enough beside it',
  ],
  wouldBeRefutedBy:
    'the records that the evidence names as missing; they explain it, or show that nothing was wrong.',
  onHandshake: (situation) =>
    situation.handshake.role === 'client' ? ofClient(situation) : ofServer(situation),
  onQuery: ofQuery,
};
