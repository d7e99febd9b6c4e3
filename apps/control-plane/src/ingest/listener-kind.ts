import { Probe } from '@synscope/protocol';
import { plusOne, processNumbers, type RecordKind, required, UINT16_MAX, UINT32_MAX } from './record-kind.js';

/** A quiet socket is sampled every 30 s; a probe that was stopped for a while reports a longer interval. 366 days. */
const MAXIMUM_INTERVAL_US = 366 * 86_400_000_000;

const count = (field: number, name: string) => required(field, name, 0, Number.MAX_SAFE_INTEGER, 'bigint');
const rise = (field: number, name: string) => plusOne(field, name, Number.MAX_SAFE_INTEGER - 1, 'bigint');

/** ListenerColumns of proto/synscope/agent/v1/records.proto. */
export const LISTENER_KIND: RecordKind = {
  table: 'listener_sample',
  probe: Probe.LISTENER,
  field: 7,
  name: 'listeners',
  numbers: [
    required(4, 'interval_us', 0, MAXIMUM_INTERVAL_US, 'bigint'),
    required(7, 'socket_cookie', 1, Number.MAX_SAFE_INTEGER, 'bigint'),
    count(13, 'syns'),
    count(14, 'syns_refused_accept_queue_full'),
    count(15, 'syns_refused_syn_queue_full'),
    count(16, 'syns_refused_unexplained'),
    count(17, 'syns_answered_by_cookie'),
    count(18, 'acks_dropped_accept_queue_full'),
    count(19, 'acks_dropped_on_cookie_path'),
    rise(20, 'drops'),
    rise(40, 'netns_listen_overflows'),
    rise(41, 'netns_listen_drops'),
    rise(42, 'netns_tcp_req_q_full_drop'),
    rise(43, 'netns_tcp_req_q_full_do_cookies'),
    rise(44, 'netns_syncookies_sent'),
    rise(45, 'netns_syncookies_recv'),
    rise(46, 'netns_syncookies_failed'),
    ...processNumbers({ netns: 33, pid: 34, cgroupId: 35 }),
    // sk_ack_backlog, sk_max_ack_backlog and the lengths of the request queue are u32.
    required(8, 'accept_queue_length', 0, UINT32_MAX, 'bigint'),
    required(9, 'accept_queue_limit', 0, UINT32_MAX, 'bigint'),
    required(10, 'accept_queue_peak', 0, UINT32_MAX, 'bigint'),
    required(11, 'syn_queue_length', 0, UINT32_MAX, 'bigint'),
    required(12, 'syn_queue_peak', 0, UINT32_MAX, 'bigint'),
    plusOne(21, 'somaxconn', UINT32_MAX, 'bigint'),
    plusOne(22, 'tcp_max_syn_backlog', UINT32_MAX, 'bigint'),
    required(6, 'local_port', 1, UINT16_MAX, 'integer'),
    plusOne(23, 'tcp_syncookies', 255, 'smallint'),
    plusOne(24, 'tcp_abort_on_overflow', 255, 'smallint'),
  ],
  addresses: [{ field: 5, name: 'local_address' }],
  names: null,
  processNameIndexField: 36,
  containerIdIndexField: 37,
  sessionSetIndexField: 38,
};
