import { ListenerCursor } from '@synscope/probe-wire';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ListenerValues, listenersPayload } from '../testing/record-bytes.js';
import {
  address,
  addressOf,
  append,
  context,
  expectedOrigin,
  expectWhole,
  finish,
  microseconds,
  netnsCountersOf,
  origin,
  originOf,
  plusOne,
  rowsOf,
  span,
  UNKNOWN_U64,
  unsigned,
  unsigned64,
  WALL_OFFSET_NS,
} from '../testing/record-rows.js';
import { RecordColumns } from './record-columns.js';

/** As far as the wire is exact. */
const count = fc.bigInt({ min: 0n, max: (1n << 53n) - 1n });

const listener = fc.record({
  ...origin,
  interval_ns: span,
  socket_cookie: unsigned64,
  local_address: address,
  local_port: unsigned(16),
  accept_queue_length: unsigned(32),
  accept_queue_limit: unsigned(32),
  accept_queue_peak: unsigned(32),
  syn_queue_length: unsigned(32),
  syn_queue_peak: unsigned(32),
  syns: count,
  syns_refused_accept_queue_full: count,
  syns_refused_syn_queue_full: count,
  syns_refused_unexplained: count,
  syns_answered_by_cookie: count,
  acks_dropped_accept_queue_full: count,
  acks_dropped_on_cookie_path: count,
  drops: fc.oneof(unsigned(32).map(BigInt), fc.constant(UNKNOWN_U64)),
  somaxconn: unsigned(32),
  tcp_max_syn_backlog: unsigned(32),
  tcp_syncookies: fc.constantFrom(0, 1, 2, 0xff),
  tcp_abort_on_overflow: fc.constantFrom(0, 1, 0xff),
});

describe('ListenerColumnsWriter', () => {
  it('writes exactly what the probe’s records say, and the counters of their namespaces', () => {
    const columns = new RecordColumns(2000, context);
    const frame = { kind: 'listeners', cursor: new ListenerCursor() } as const;
    fc.assert(
      fc.property(rowsOf(listener), (rows) => {
        const values = rows.map(([row]) => row) satisfies ListenerValues[];
        append(
          columns,
          frame,
          listenersPayload(WALL_OFFSET_NS, values),
          rows.map(([, set]) => set),
        );
        const held = finish(columns).listeners;
        if (held === undefined) throw new Error('no columns');
        expectWhole(held, rows.length);
        rows.forEach(([row, set], i) => {
          const expected = expectedOrigin(row, set);
          const risen = netnsCountersOf(row.netns, row.pid, Number(expected.observedAtUs));
          expect({
            ...originOf(held, i),
            interval: held.intervalUs[i],
            cookie: held.socketCookie[i],
            address: addressOf(held.localAddress, i),
            port: held.localPort[i],
            queues: [
              held.acceptQueueLength[i],
              held.acceptQueueLimit[i],
              held.acceptQueuePeak[i],
              held.synQueueLength[i],
              held.synQueuePeak[i],
            ],
            counts: [
              held.syns[i],
              held.synsRefusedAcceptQueueFull[i],
              held.synsRefusedSynQueueFull[i],
              held.synsRefusedUnexplained[i],
              held.synsAnsweredByCookie[i],
              held.acksDroppedAcceptQueueFull[i],
              held.acksDroppedOnCookiePath[i],
              held.dropsPlusOne[i],
            ],
            settings: [
              held.somaxconnPlusOne[i],
              held.tcpMaxSynBacklogPlusOne[i],
              held.tcpSyncookiesPlusOne[i],
              held.tcpAbortOnOverflowPlusOne[i],
            ],
            namespace: [
              held.netnsListenOverflowsPlusOne[i],
              held.netnsListenDropsPlusOne[i],
              held.netnsTcpReqQFullDropPlusOne[i],
              held.netnsTcpReqQFullDoCookiesPlusOne[i],
              held.netnsSyncookiesSentPlusOne[i],
              held.netnsSyncookiesRecvPlusOne[i],
              held.netnsSyncookiesFailedPlusOne[i],
            ],
          }).toEqual({
            ...expected,
            interval: microseconds(row.interval_ns),
            cookie: row.socket_cookie,
            address: row.local_address,
            port: row.local_port,
            queues: [
              row.accept_queue_length,
              row.accept_queue_limit,
              row.accept_queue_peak,
              row.syn_queue_length,
              row.syn_queue_peak,
            ],
            counts: [
              row.syns,
              row.syns_refused_accept_queue_full,
              row.syns_refused_syn_queue_full,
              row.syns_refused_unexplained,
              row.syns_answered_by_cookie,
              row.acks_dropped_accept_queue_full,
              row.acks_dropped_on_cookie_path,
              row.drops === UNKNOWN_U64 ? 0n : row.drops + 1n,
            ],
            settings: [
              BigInt(plusOne(row.somaxconn, 0xffffffff)),
              BigInt(plusOne(row.tcp_max_syn_backlog, 0xffffffff)),
              plusOne(row.tcp_syncookies, 0xff),
              plusOne(row.tcp_abort_on_overflow, 0xff),
            ],
            namespace: [
              risen?.ListenOverflows,
              risen?.ListenDrops,
              risen?.TCPReqQFullDrop,
              risen?.TCPReqQFullDoCookies,
              risen?.SyncookiesSent,
              risen?.SyncookiesRecv,
              risen?.SyncookiesFailed,
            ].map((value) => (value === undefined ? 0n : BigInt(value) + 1n)),
          });
        });
      }),
      { numRuns: 200 },
    );
  });
});
