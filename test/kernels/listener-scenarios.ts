import { counted, type ListenerCounts } from '../../bpf/test/listener-records.js';
import type { Counters } from '../../bpf/test/listener-traffic.js';

interface ListenerScenario {
  /** Of bpf/test/listener-traffic.c: one listener, and the counters last. */
  readonly commands: readonly string[];
  /** What the probe must count, by what the kernel has counted itself. */
  readonly expected: (counters: Counters) => ListenerCounts;
  /** One that must have risen, lest nothing was tried. */
  readonly risen?: string;
}

/** No client sends anything any more. */
const QUIET = ['reset', 'sleep 300', 'counters'];

export const LISTENER_SCENARIOS: Readonly<Record<string, ListenerScenario>> = {
  healthy: {
    commands: ['listen ipv4 16', 'health 20', ...QUIET],
    expected: () => counted({ syns: 20 }),
  },
  accept_queue_full: {
    commands: ['listen ipv4 1', 'connect ipv4 2', 'await 8000', 'connect ipv4 3', 'sleep 300', ...QUIET],
    expected: ({ ListenOverflows = 0 }) =>
      counted({ syns: 2 + ListenOverflows, acceptQueueFull: ListenOverflows }),
    risen: 'ListenOverflows',
  },
  accept_queue_full_at_the_third_packet: {
    commands: [
      ...['listen ipv6 4', 'deaf ipv6 2', 'connect ipv6 5', 'sleep 300', 'hear', 'await 8000'],
      ...['say', 'sleep 300', ...QUIET],
    ],
    expected: ({ ListenOverflows = 0 }) => counted({ syns: 7, acksDropped: ListenOverflows }),
    risen: 'ListenOverflows',
  },
  accept_queue_full_after_a_cookie: {
    commands: [
      ...['set ipv4/tcp_syncookies 2', 'listen ipv4 1', 'cookie-syn ipv4 3', 'connect ipv4 2', 'await 8000'],
      ...['cookie-ack', ...QUIET],
    ],
    expected: () => counted({ syns: 5, cookies: 5, acksDroppedOnCookiePath: 3 }),
    risen: 'ListenOverflows',
  },
  syn_queue_full: {
    commands: ['set ipv4/tcp_syncookies 0', 'listen ipv4 2', 'deaf ipv4 6', 'sleep 300', ...QUIET],
    expected: ({ TCPReqQFullDrop = 0, ListenDrops = 0 }) =>
      counted({ syns: 6, synQueueFull: Math.max(TCPReqQFullDrop, ListenDrops) }),
    risen: 'TCPReqQFullDrop',
  },
  syn_queue_full_with_cookies: {
    commands: ['set ipv4/tcp_syncookies 1', 'listen ipv4 2', 'deaf ipv4 6', 'sleep 300', ...QUIET],
    expected: ({ SyncookiesSent = 0 }) => counted({ syns: 6, cookies: SyncookiesSent }),
    risen: 'SyncookiesSent',
  },
  answer_lost: {
    commands: ['listen ipv4 16', 'deaf ipv4 3', 'sleep 2500', ...QUIET],
    expected: () => counted({ syns: 3 }),
  },
};
