import type { FindingAdvice } from '@synscope/api-contract';
import type { ListenerView } from '../evidence/listener-memory.js';
import { lacksAck, lacksSynAck } from './handshakes.js';
import { counted, harmOf, longest, noted, sampled } from './observe.js';
import { NO_HARM, type Rule, type Verdict } from './rule.js';
import { endpoint, listenerSubject } from './subject.js';

function advice({ samples, processName }: ListenerView): FindingAdvice[] {
  const latest = samples.at(-1);
  const shown = (value: number | null | undefined) =>
    value === null || value === undefined ? null : `${value}`;
  const most = samples.reduce((peak, sample) => Math.max(peak, sample.synQueuePeak), 0);
  const suggested = Math.min(65_536, 2 ** Math.ceil(Math.log2(Math.max(1_024, 4 * most))));
  return [
    {
      what: 'net.ipv4.tcp_syncookies',
      now: shown(latest?.tcpSyncookies),
      suggested:
        'sysctl -w net.ipv4.tcp_syncookies=1: what does not fit is answered by cookie and not refused',
    },
    {
      what: 'net.ipv4.tcp_max_syn_backlog',
      now: shown(latest?.tcpMaxSynBacklog),
      suggested: `sysctl -w net.ipv4.tcp_max_syn_backlog=${suggested}`,
    },
    {
      what: `listen() backlog of ${processName ?? 'the application'}, which limits this queue too`,
      now: shown(latest?.acceptQueueLimit),
      suggested: `listen(fd, ${suggested}), with net.core.somaxconn (now ${latest?.somaxconn ?? 'not seen'}) at least as large`,
    },
  ];
}

function verdict(listener: ListenerView): Verdict {
  const { samples, address, port, processName } = listener;
  return {
    subject: listenerSubject(listener),
    severity: 'critical',
    title: `${processName ?? 'A process'} on ${endpoint(address, port)} refuses connections: its SYN queue is full, and SYN cookies are off`,
    evidence: [
      ...sampled('SYNs refused because the SYN queue was full', samples, (s) => s.refusedSynQueueFull),
      ...sampled('SYNs that came', samples, (s) => s.syns),
      ...sampled('requests waiting for their third packet, at most', samples, (s) => s.synQueuePeak, 'max'),
      noted('net.ipv4.tcp_syncookies', samples.at(-1)?.tcpSyncookies ?? 'not seen'),
    ],
    advice: advice(listener),
    harm: { ...NO_HARM, hosts: [listener.agentId] },
  };
}

export const synQueueFull: Rule = {
  code: 'syn_queue_full',
  looksFor: 'SYNs that a listening socket refused because its SYN queue was full while SYN cookies are off.',
  needs: ['the listener’s own samples: SYNs that reached it and were refused while its SYN queue was full'],
  wouldBeRefutedBy:
    'TCPReqQFullDrop in the listener’s network namespace (`nstat -az TcpExtTCPReqQFullDrop`) that does not rise while SYNs are refused.',
  onListener: ({ listener }) => (listener.refusedSynQueueFull > 0 ? verdict(listener) : null),
  onHandshake: (situation) => {
    const { handshake, listener } = situation;
    if (!listener || listener.refusedSynQueueFull === 0) return null;
    const found = verdict(listener);
    if (lacksSynAck(situation)) {
      return {
        ...found,
        evidence: [
          counted('handshakes of clients that had to send their SYN again meanwhile', handshake),
          longest('the longest of these, µs', handshake.latencyUs ?? 0, handshake),
        ],
        harm: harmOf(situation),
      };
    }
    // What fills the queue: it hurts others.
    if (!lacksAck(situation)) return null;
    return { ...found, evidence: [counted('requests in the queue that were never completed', handshake)] };
  },
};
