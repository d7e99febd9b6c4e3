import type { Listener, ListenerFilter } from '@synscope/api-contract';
import { RecordConditions } from '../record-queries/record-conditions.js';
import type { RecordScope } from '../record-queries/record-scope.js';

/** Counted within an interval, and never unknown. */
export const COUNTED_COLUMNS = [
  'syns',
  'syns_refused_accept_queue_full',
  'syns_refused_syn_queue_full',
  'syns_refused_unexplained',
  'syns_answered_by_cookie',
  'acks_dropped_accept_queue_full',
  'acks_dropped_on_cookie_path',
] as const;

/** Likewise, null where nobody knows. */
export const RISE_COLUMNS = [
  'drops',
  'netns_listen_overflows',
  'netns_listen_drops',
  'netns_tcp_req_q_full_drop',
  'netns_tcp_req_q_full_do_cookies',
  'netns_syncookies_sent',
  'netns_syncookies_recv',
  'netns_syncookies_failed',
] as const;

/** How the socket stood at the end of an interval. */
export const STATE_COLUMNS = [
  'accept_queue_length',
  'accept_queue_limit',
  'syn_queue_length',
  'somaxconn',
  'tcp_max_syn_backlog',
  'tcp_syncookies',
  'tcp_abort_on_overflow',
  'socket_cookie',
  'local_port',
] as const;

export type ListenerColumns = Readonly<
  Record<(typeof COUNTED_COLUMNS)[number], number> & Record<(typeof RISE_COLUMNS)[number], number | null>
> & {
  readonly accept_queue_length: number;
  readonly accept_queue_limit: number;
  readonly accept_queue_peak: number;
  readonly syn_queue_length: number;
  readonly syn_queue_peak: number;
  readonly somaxconn: number | null;
  readonly tcp_max_syn_backlog: number | null;
  readonly tcp_syncookies: number | null;
  readonly tcp_abort_on_overflow: number | null;
  readonly socket_cookie: number;
  readonly local_address: string;
  readonly local_port: number;
};

/** Refused SYNs and dropped third packets of one sample: the expression of the index `listener_sample_refusing`, to the letter. */
export const REFUSED_SQL =
  'syns_refused_accept_queue_full + syns_refused_syn_queue_full + syns_refused_unexplained + acks_dropped_accept_queue_full + acks_dropped_on_cookie_path';

/** All filters but `refusing`, which means a sample in one list and all samples of a socket in the other. */
export function listenerConditions(scope: RecordScope<ListenerFilter>): RecordConditions {
  const { localAddress, localPort, socketCookie } = scope.filter;
  const conditions = new RecordConditions(scope)
    .addAddress('local_address', localAddress)
    .addNumbers('local_port', 'integer', localPort);
  if (socketCookie !== undefined)
    conditions.add(`socket_cookie = ${conditions.place(Number.parseInt(socketCookie, 16))}`);
  return conditions;
}

/** What a sample and the sum of several have in common, as the API names it. */
export function listenerFieldsOf(
  row: ListenerColumns,
): Pick<
  Listener,
  | 'local'
  | 'socketCookie'
  | 'acceptQueue'
  | 'synQueue'
  | 'syns'
  | 'synsRefused'
  | 'synsAnsweredByCookie'
  | 'acksDropped'
  | 'drops'
  | 'settings'
  | 'netnsCounters'
> {
  return {
    local: { address: row.local_address, port: row.local_port },
    socketCookie: row.socket_cookie.toString(16),
    acceptQueue: {
      length: row.accept_queue_length,
      limit: row.accept_queue_limit,
      peak: row.accept_queue_peak,
    },
    synQueue: { length: row.syn_queue_length, peak: row.syn_queue_peak },
    syns: row.syns,
    synsRefused: {
      acceptQueueFull: row.syns_refused_accept_queue_full,
      synQueueFull: row.syns_refused_syn_queue_full,
      unexplained: row.syns_refused_unexplained,
    },
    synsAnsweredByCookie: row.syns_answered_by_cookie,
    acksDropped: {
      acceptQueueFull: row.acks_dropped_accept_queue_full,
      cookiePath: row.acks_dropped_on_cookie_path,
    },
    drops: row.drops,
    settings: {
      somaxconn: row.somaxconn,
      tcpMaxSynBacklog: row.tcp_max_syn_backlog,
      tcpSyncookies: row.tcp_syncookies,
      tcpAbortOnOverflow: row.tcp_abort_on_overflow,
    },
    netnsCounters: {
      listenOverflows: row.netns_listen_overflows,
      listenDrops: row.netns_listen_drops,
      tcpReqQFullDrop: row.netns_tcp_req_q_full_drop,
      tcpReqQFullDoCookies: row.netns_tcp_req_q_full_do_cookies,
      syncookiesSent: row.netns_syncookies_sent,
      syncookiesRecv: row.netns_syncookies_recv,
      syncookiesFailed: row.netns_syncookies_failed,
    },
  };
}
