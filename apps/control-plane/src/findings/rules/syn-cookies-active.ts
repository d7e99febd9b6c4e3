import type { FindingAdvice } from '@synscope/api-contract';
import type { ListenerView } from '../evidence/listener-memory.js';
import { FLAG_SYN_COOKIE } from '../evidence/records.js';
import { lacksAck } from './handshakes.js';
import { counted, noted, sampled } from './observe.js';
import { NO_HARM, type Rule, type Verdict } from './rule.js';
import { endpoint, listenerSubject, localSubject } from './subject.js';

function advice(listener: ListenerView | null): FindingAdvice[] {
  const latest = listener?.samples.at(-1);
  if (latest?.tcpSyncookies === 2) {
    return [
      {
        what: 'net.ipv4.tcp_syncookies',
        now: '2',
        suggested: 'sysctl -w net.ipv4.tcp_syncookies=1: cookies only when the queue is full; 2 is for tests',
      },
    ];
  }
  return [
    {
      what: 'who sends the SYNs',
      now: null,
      suggested:
        'look whether these clients are yours; a SYN flood is best stopped before it reaches this host',
    },
    {
      what: 'net.ipv4.tcp_max_syn_backlog',
      now: latest?.tcpMaxSynBacklog == null ? null : `${latest.tcpMaxSynBacklog}`,
      suggested:
        'if they are, raise it, with the listen() backlog and net.core.somaxconn, which limit the same queue',
    },
    {
      what: 'listen() backlog',
      now: latest ? `${latest.acceptQueueLimit}` : null,
      suggested: 'at least as large as net.ipv4.tcp_max_syn_backlog',
    },
  ];
}

function verdict(listener: ListenerView): Verdict {
  const { samples, address, port, processName } = listener;
  return {
    subject: listenerSubject(listener),
    severity: 'warning',
    title: `${processName ?? 'A process'} on ${endpoint(address, port)} answers by SYN cookie: its SYN queue is full`,
    evidence: [
      ...sampled('SYNs answered by cookie', samples, (s) => s.answeredByCookie),
      ...sampled('SYNs that came', samples, (s) => s.syns),
      ...sampled('requests waiting for their third packet, at most', samples, (s) => s.synQueuePeak, 'max'),
      noted('net.ipv4.tcp_syncookies', samples.at(-1)?.tcpSyncookies ?? 'not seen'),
    ],
    advice: advice(listener),
    harm: { ...NO_HARM, hosts: [listener.agentId] },
  };
}

export const synCookiesActive: Rule = {
  code: 'syn_cookies_active',
  looksFor:
    'Connections that were answered by SYN cookie: the SYN queue is full, and the kernel does without it.',
  needs: [
    'the listener’s own samples with SYNs answered by cookie, or a server’s handshake on the cookie path',
  ],
  wouldBeRefutedBy:
    'SyncookiesSent in the listener’s network namespace (`nstat -az TcpExtSyncookiesSent`) that does not rise.',
  onListener: ({ listener }) => (listener.answeredByCookie > 0 ? verdict(listener) : null),
  onHandshake: (situation) => {
    const { handshake, listener } = situation;
    if (handshake.role !== 'server') return null;
    const byCookie = (handshake.flags & FLAG_SYN_COOKIE) !== 0;
    const beside = lacksAck(situation) && listener !== null && listener.answeredByCookie > 0;
    if (!byCookie && !beside) return null;
    const { address, port } = listener ?? { address: handshake.localAddress, port: handshake.localPort };
    return {
      subject: listener ? listenerSubject(listener) : localSubject(handshake),
      severity: 'warning',
      title: `${handshake.processName ?? listener?.processName ?? 'A process'} on ${endpoint(address, port)} answers by SYN cookie: its SYN queue is full`,
      evidence: [
        byCookie
          ? counted('handshakes on the cookie path', handshake)
          : counted('requests in the queue that were never completed', handshake),
      ],
      advice: advice(listener),
      harm: { ...NO_HARM, hosts: [handshake.agentId] },
    };
  },
};
