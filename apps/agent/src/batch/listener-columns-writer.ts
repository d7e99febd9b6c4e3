import { type ListenerCursor, UNKNOWN_U8, UNKNOWN_U32 } from '@synscope/probe-wire';
import { NETNS_COUNTERS, type NetnsCounters } from '../netns/netns-counters.js';
import type { SessionSet } from '../sessions/session-set.js';
import { ColumnTable } from './column-table.js';
import type { ContainerOf } from './origin-columns.js';

/**
 * By how much the counters of a network namespace rose since its records of an earlier interval; undefined if that is not known. `pid` is of a
 * process there, 0 if none is known; the records of one interval have the same `observedAtUs`.
 */
export type NetnsCountersOf = (netns: number, pid: number, observedAtUs: number) => NetnsCounters | undefined;

/** Of the first of NETNS_COUNTERS; the others follow in their order. */
const FIRST_COUNTER_FIELD = 40;

/** Turns listening sockets into ListenerColumns of proto/synscope/agent/v1/records.proto. */
export class ListenerColumnsWriter {
  readonly table: ColumnTable;
  private readonly interval;
  private readonly localAddress;
  private readonly localPort;
  private readonly socketCookie;
  private readonly queues;
  private readonly counts;
  private readonly drops;
  private readonly somaxconn;
  private readonly tcpMaxSynBacklog;
  private readonly tcpSyncookies;
  private readonly tcpAbortOnOverflow;
  private readonly netnsCounters;

  constructor(
    maxRows: number,
    containerOf: ContainerOf,
    private readonly netnsCountersOf: NetnsCountersOf,
  ) {
    const table = new ColumnTable({ batchField: 7, firstOriginField: 33, maxRows }, containerOf);
    this.table = table;
    this.interval = table.column(4);
    this.localAddress = table.addressColumn(5);
    this.localPort = table.column(6);
    this.socketCookie = table.column(7);
    this.queues = {
      acceptLength: table.column(8),
      acceptLimit: table.column(9),
      acceptPeak: table.column(10),
      synLength: table.column(11),
      synPeak: table.column(12),
    };
    this.counts = {
      syns: table.column(13),
      refusedAcceptQueueFull: table.column(14),
      refusedSynQueueFull: table.column(15),
      refusedUnexplained: table.column(16),
      answeredByCookie: table.column(17),
      acksDropped: table.column(18),
      acksDroppedOnCookiePath: table.column(19),
    };
    this.drops = table.column(20);
    this.somaxconn = table.column(21);
    this.tcpMaxSynBacklog = table.column(22);
    this.tcpSyncookies = table.column(23);
    this.tcpAbortOnOverflow = table.column(24);
    this.netnsCounters = NETNS_COUNTERS.map(
      (name, i) => [name, table.column(FIRST_COUNTER_FIELD + i)] as const,
    );
  }

  /** Adds the cursor's current record. */
  append(record: ListenerCursor, sessions: SessionSet): void {
    const { queues, counts } = this;
    this.table.beginRow(record, sessions);
    this.interval.varint(record.intervalUs);
    this.localAddress.address(record.bytes, record.localAddressPosition);
    this.localPort.varint(record.localPort);
    this.socketCookie.varint64(record.socketCookieLow, record.socketCookieHigh);
    queues.acceptLength.varint(record.acceptQueueLength);
    queues.acceptLimit.varint(record.acceptQueueLimit);
    queues.acceptPeak.varint(record.acceptQueuePeak);
    queues.synLength.varint(record.synQueueLength);
    queues.synPeak.varint(record.synQueuePeak);
    counts.syns.varint(record.syns);
    counts.refusedAcceptQueueFull.varint(record.synsRefusedAcceptQueueFull);
    counts.refusedSynQueueFull.varint(record.synsRefusedSynQueueFull);
    counts.refusedUnexplained.varint(record.synsRefusedUnexplained);
    counts.answeredByCookie.varint(record.synsAnsweredByCookie);
    counts.acksDropped.varint(record.acksDroppedAcceptQueueFull);
    counts.acksDroppedOnCookiePath.varint(record.acksDroppedOnCookiePath);
    this.drops.plusOne(record.drops, -1);
    this.somaxconn.plusOne(record.somaxconn, UNKNOWN_U32);
    this.tcpMaxSynBacklog.plusOne(record.tcpMaxSynBacklog, UNKNOWN_U32);
    this.tcpSyncookies.plusOne(record.tcpSyncookies, UNKNOWN_U8);
    this.tcpAbortOnOverflow.plusOne(record.tcpAbortOnOverflow, UNKNOWN_U8);
    const risen = this.netnsCountersOf(record.netns, record.pid, record.observedAtUs);
    for (const [name, column] of this.netnsCounters) column.plusOne(risen?.[name] ?? -1, -1);
  }
}
