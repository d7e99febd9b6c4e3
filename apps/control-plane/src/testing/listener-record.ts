import type { MessageInitShape } from '@bufbuild/protobuf';
import type { ListenerColumnsSchema } from '@synscope/protocol';
import fc from 'fast-check';
import { addressArbitrary, commonArbitraries, LONGEST_US, nullable, whole } from './record-arbitraries.js';
import { type CommonRecord, commonColumns, commonRecord, ipv4 } from './record-columns.js';

/** One listening socket within an interval, as an agent knows it, before it is put into columns. */
export interface ListenerRecord extends CommonRecord {
  readonly intervalUs: number;
  /** 16 bytes, IPv4 as ::ffff:a.b.c.d. */
  readonly localAddress: Uint8Array;
  readonly localPort: number;
  readonly socketCookie: number;
  readonly acceptQueueLength: number;
  readonly acceptQueueLimit: number;
  readonly acceptQueuePeak: number;
  readonly synQueueLength: number;
  readonly synQueuePeak: number;
  readonly syns: number;
  readonly synsRefusedAcceptQueueFull: number;
  readonly synsRefusedSynQueueFull: number;
  readonly synsRefusedUnexplained: number;
  readonly synsAnsweredByCookie: number;
  readonly acksDroppedAcceptQueueFull: number;
  readonly acksDroppedOnCookiePath: number;
  readonly drops: number | null;
  readonly somaxconn: number | null;
  readonly tcpMaxSynBacklog: number | null;
  readonly tcpSyncookies: number | null;
  readonly tcpAbortOnOverflow: number | null;
  readonly netnsListenOverflows: number | null;
  readonly netnsListenDrops: number | null;
  readonly netnsTcpReqQFullDrop: number | null;
  readonly netnsTcpReqQFullDoCookies: number | null;
  readonly netnsSyncookiesSent: number | null;
  readonly netnsSyncookiesRecv: number | null;
  readonly netnsSyncookiesFailed: number | null;
}

const NOTHING_COUNTED = {
  syns: 0,
  synsRefusedAcceptQueueFull: 0,
  synsRefusedSynQueueFull: 0,
  synsRefusedUnexplained: 0,
  synsAnsweredByCookie: 0,
  acksDroppedAcceptQueueFull: 0,
  acksDroppedOnCookiePath: 0,
};

/** A quiet nginx on 192.0.2.80:80 with a backlog of 511, changed as asked. */
export function listenerRecord(changes: Partial<ListenerRecord> = {}): ListenerRecord {
  return {
    ...commonRecord(),
    ...NOTHING_COUNTED,
    processName: 'nginx',
    intervalUs: 1_000_000,
    localAddress: ipv4('192.0.2.80'),
    localPort: 80,
    socketCookie: 90,
    acceptQueueLength: 0,
    acceptQueueLimit: 511,
    acceptQueuePeak: 0,
    synQueueLength: 0,
    synQueuePeak: 0,
    drops: 0,
    somaxconn: 4_096,
    tcpMaxSynBacklog: 1_024,
    tcpSyncookies: 1,
    tcpAbortOnOverflow: 0,
    netnsListenOverflows: 0,
    netnsListenDrops: 0,
    netnsTcpReqQFullDrop: 0,
    netnsTcpReqQFullDoCookies: 0,
    netnsSyncookiesSent: 0,
    netnsSyncookiesRecv: 0,
    netnsSyncookiesFailed: 0,
    ...changes,
  };
}

/** At least one record, as an agent puts them into columns. */
export function listenerColumns(
  records: readonly ListenerRecord[],
): MessageInitShape<typeof ListenerColumnsSchema> {
  const numbers = (read: (record: ListenerRecord) => number) => records.map(read);
  const counts = (read: (record: ListenerRecord) => number) => records.map((record) => BigInt(read(record)));
  const plusOne = (read: (record: ListenerRecord) => number | null) =>
    records.map((record) => {
      const value = read(record);
      return value === null ? 0n : BigInt(value) + 1n;
    });
  return {
    ...commonColumns(records),
    intervalUs: counts(({ intervalUs }) => intervalUs),
    localAddress: Buffer.concat(records.map(({ localAddress }) => localAddress)),
    localPort: numbers(({ localPort }) => localPort),
    socketCookie: counts(({ socketCookie }) => socketCookie),
    acceptQueueLength: numbers(({ acceptQueueLength }) => acceptQueueLength),
    acceptQueueLimit: numbers(({ acceptQueueLimit }) => acceptQueueLimit),
    acceptQueuePeak: numbers(({ acceptQueuePeak }) => acceptQueuePeak),
    synQueueLength: numbers(({ synQueueLength }) => synQueueLength),
    synQueuePeak: numbers(({ synQueuePeak }) => synQueuePeak),
    syns: counts(({ syns }) => syns),
    synsRefusedAcceptQueueFull: counts((record) => record.synsRefusedAcceptQueueFull),
    synsRefusedSynQueueFull: counts((record) => record.synsRefusedSynQueueFull),
    synsRefusedUnexplained: counts((record) => record.synsRefusedUnexplained),
    synsAnsweredByCookie: counts((record) => record.synsAnsweredByCookie),
    acksDroppedAcceptQueueFull: counts((record) => record.acksDroppedAcceptQueueFull),
    acksDroppedOnCookiePath: counts((record) => record.acksDroppedOnCookiePath),
    dropsPlusOne: plusOne(({ drops }) => drops),
    somaxconnPlusOne: plusOne(({ somaxconn }) => somaxconn),
    tcpMaxSynBacklogPlusOne: plusOne(({ tcpMaxSynBacklog }) => tcpMaxSynBacklog),
    tcpSyncookiesPlusOne: plusOne(({ tcpSyncookies }) => tcpSyncookies).map(Number),
    tcpAbortOnOverflowPlusOne: plusOne(({ tcpAbortOnOverflow }) => tcpAbortOnOverflow).map(Number),
    netnsListenOverflowsPlusOne: plusOne((record) => record.netnsListenOverflows),
    netnsListenDropsPlusOne: plusOne((record) => record.netnsListenDrops),
    netnsTcpReqQFullDropPlusOne: plusOne((record) => record.netnsTcpReqQFullDrop),
    netnsTcpReqQFullDoCookiesPlusOne: plusOne((record) => record.netnsTcpReqQFullDoCookies),
    netnsSyncookiesSentPlusOne: plusOne((record) => record.netnsSyncookiesSent),
    netnsSyncookiesRecvPlusOne: plusOne((record) => record.netnsSyncookiesRecv),
    netnsSyncookiesFailedPlusOne: plusOne((record) => record.netnsSyncookiesFailed),
  };
}

const UINT32_MAX = 2 ** 32 - 1;
const count = whole(Number.MAX_SAFE_INTEGER);
const rise = nullable(Number.MAX_SAFE_INTEGER - 1);

/** Records over the whole of what the contract allows, observed from `fromUs` to `untilUs`. */
export function listenerRecordArbitrary(fromUs: number, untilUs: number): fc.Arbitrary<ListenerRecord> {
  return fc.record({
    ...commonArbitraries(fromUs, untilUs),
    intervalUs: whole(LONGEST_US),
    localAddress: addressArbitrary,
    localPort: whole(65_535).map((port) => port || 1),
    socketCookie: whole(Number.MAX_SAFE_INTEGER).map((cookie) => cookie || 1),
    acceptQueueLength: whole(UINT32_MAX),
    acceptQueueLimit: whole(UINT32_MAX),
    acceptQueuePeak: whole(UINT32_MAX),
    synQueueLength: whole(UINT32_MAX),
    synQueuePeak: whole(UINT32_MAX),
    syns: count,
    synsRefusedAcceptQueueFull: count,
    synsRefusedSynQueueFull: count,
    synsRefusedUnexplained: count,
    synsAnsweredByCookie: count,
    acksDroppedAcceptQueueFull: count,
    acksDroppedOnCookiePath: count,
    drops: rise,
    somaxconn: nullable(UINT32_MAX),
    tcpMaxSynBacklog: nullable(UINT32_MAX),
    tcpSyncookies: nullable(255),
    tcpAbortOnOverflow: nullable(255),
    netnsListenOverflows: rise,
    netnsListenDrops: rise,
    netnsTcpReqQFullDrop: rise,
    netnsTcpReqQFullDoCookies: rise,
    netnsSyncookiesSent: rise,
    netnsSyncookiesRecv: rise,
    netnsSyncookiesFailed: rise,
  });
}
