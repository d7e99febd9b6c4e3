import { create, toBinary } from '@bufbuild/protobuf';
import { type Batch, BatchSchema } from '@synscope/protocol';
import fc from 'fast-check';
import { type DnsQueryRecord, dnsQueryColumns, dnsQueryRecordArbitrary } from './dns-query-record.js';
import { type HandshakeRecord, handshakeColumns, handshakeRecordArbitrary } from './handshake-batch.js';
import { type ListenerRecord, listenerColumns, listenerRecordArbitrary } from './listener-record.js';
import { type LossReport, lossEntries } from './loss-report.js';
import { type NameLookupRecord, nameLookupColumns, nameLookupRecordArbitrary } from './name-lookup-record.js';
import {
  type ReceiveQueueDropRecord,
  receiveQueueDropColumns,
  receiveQueueDropRecordArbitrary,
} from './receive-queue-drop-record.js';

/** What a batch brings, of any kinds. */
export interface BatchContents {
  readonly handshakes?: readonly HandshakeRecord[];
  readonly dnsQueries?: readonly DnsQueryRecord[];
  readonly nameLookups?: readonly NameLookupRecord[];
  readonly receiveQueueDrops?: readonly ReceiveQueueDropRecord[];
  readonly listeners?: readonly ListenerRecord[];
  readonly loss?: readonly LossReport[];
}

export function recordBatch(seq: number, contents: BatchContents): Batch {
  const {
    handshakes = [],
    dnsQueries = [],
    nameLookups = [],
    receiveQueueDrops = [],
    listeners = [],
    loss = [],
  } = contents;
  return create(BatchSchema, {
    seq: BigInt(seq),
    loss: lossEntries(loss),
    // A kind without records is left out: its columns would have a row_count of 0, which is refused.
    ...(handshakes.length > 0 && { handshakes: handshakeColumns(handshakes) }),
    ...(dnsQueries.length > 0 && { dnsQueries: dnsQueryColumns(dnsQueries) }),
    ...(nameLookups.length > 0 && { nameLookups: nameLookupColumns(nameLookups) }),
    ...(receiveQueueDrops.length > 0 && { receiveQueueDrops: receiveQueueDropColumns(receiveQueueDrops) }),
    ...(listeners.length > 0 && { listeners: listenerColumns(listeners) }),
  });
}

export function recordBatchBytes(seq: number, contents: BatchContents): Uint8Array {
  return toBinary(BatchSchema, recordBatch(seq, contents));
}

/** Up to so many records of each kind, observed from `fromUs` to `untilUs`; at least one of them all. */
export function batchContentsArbitrary(
  fromUs: number,
  untilUs: number,
  maxLength: number,
): fc.Arbitrary<Required<Omit<BatchContents, 'loss'>>> {
  return fc
    .record({
      handshakes: fc.array(handshakeRecordArbitrary(fromUs, untilUs), { maxLength }),
      dnsQueries: fc.array(dnsQueryRecordArbitrary(fromUs, untilUs), { maxLength }),
      nameLookups: fc.array(nameLookupRecordArbitrary(fromUs, untilUs), { maxLength }),
      receiveQueueDrops: fc.array(receiveQueueDropRecordArbitrary(fromUs, untilUs), { maxLength }),
      listeners: fc.array(listenerRecordArbitrary(fromUs, untilUs), { maxLength }),
    })
    .filter((contents) => Object.values(contents).some((records) => records.length > 0));
}
