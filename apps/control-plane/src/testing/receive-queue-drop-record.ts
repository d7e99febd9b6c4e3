import type { MessageInitShape } from '@bufbuild/protobuf';
import { DnsSide, ReceiveQueueDropCause, type ReceiveQueueDropColumnsSchema } from '@synscope/protocol';
import fc from 'fast-check';
import { addressArbitrary, commonArbitraries, LONGEST_US, whole } from './record-arbitraries.js';
import { type CommonRecord, commonColumns, commonRecord, ipv4 } from './record-columns.js';

/** What one socket could not take within an interval, as an agent knows it, before it is put into columns. */
export interface ReceiveQueueDropRecord extends CommonRecord {
  readonly intervalUs: number;
  readonly drops: number;
  readonly cause: ReceiveQueueDropCause;
  readonly side: DnsSide;
  /** 16 bytes, IPv4 as ::ffff:a.b.c.d. */
  readonly localAddress: Uint8Array;
  readonly localPort: number;
  readonly receiveBufferBytes: number;
}

/** 12 datagrams that a resolver on 192.0.2.53:53 could not take within the last second, changed as asked. */
export function receiveQueueDropRecord(
  changes: Partial<ReceiveQueueDropRecord> = {},
): ReceiveQueueDropRecord {
  return {
    ...commonRecord(),
    processName: 'unbound',
    intervalUs: 1_000_000,
    drops: 12,
    cause: ReceiveQueueDropCause.BUFFER_FULL,
    side: DnsSide.RESOLVER,
    localAddress: ipv4('192.0.2.53'),
    localPort: 53,
    receiveBufferBytes: 212_992,
    ...changes,
  };
}

/** At least one record, as an agent puts them into columns. */
export function receiveQueueDropColumns(
  records: readonly ReceiveQueueDropRecord[],
): MessageInitShape<typeof ReceiveQueueDropColumnsSchema> {
  return {
    ...commonColumns(records),
    intervalUs: records.map(({ intervalUs }) => BigInt(intervalUs)),
    drops: records.map(({ drops }) => BigInt(drops)),
    cause: records.map(({ cause }) => cause),
    side: records.map(({ side }) => side),
    localAddress: Buffer.concat(records.map(({ localAddress }) => localAddress)),
    localPort: records.map(({ localPort }) => localPort),
    receiveBufferBytes: records.map(({ receiveBufferBytes }) => BigInt(receiveBufferBytes)),
  };
}

/** Records over the whole of what the contract allows, observed from `fromUs` to `untilUs`. */
export function receiveQueueDropRecordArbitrary(
  fromUs: number,
  untilUs: number,
): fc.Arbitrary<ReceiveQueueDropRecord> {
  return fc.record({
    ...commonArbitraries(fromUs, untilUs),
    intervalUs: whole(LONGEST_US),
    drops: whole(Number.MAX_SAFE_INTEGER).map((drops) => drops || 1),
    cause: fc.constantFrom(ReceiveQueueDropCause.BUFFER_FULL, ReceiveQueueDropCause.MEMORY_LIMIT),
    side: fc.constantFrom(DnsSide.CLIENT, DnsSide.RESOLVER),
    localAddress: addressArbitrary,
    localPort: whole(65_535),
    receiveBufferBytes: whole(2 ** 32 - 1),
  });
}
