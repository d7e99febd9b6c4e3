import { create, toBinary } from '@bufbuild/protobuf';
import { type Batch, BatchSchema } from '@synscope/protocol';
import { type DnsQueryRecord, dnsQueryColumns } from './dns-query-record.js';
import { type HandshakeRecord, handshakeColumns } from './handshake-batch.js';
import { type LossReport, lossEntries } from './loss-report.js';
import { type NameLookupRecord, nameLookupColumns } from './name-lookup-record.js';
import { type ReceiveQueueDropRecord, receiveQueueDropColumns } from './receive-queue-drop-record.js';

/** What a batch brings, of any kinds. */
export interface BatchContents {
  readonly handshakes?: readonly HandshakeRecord[];
  readonly dnsQueries?: readonly DnsQueryRecord[];
  readonly nameLookups?: readonly NameLookupRecord[];
  readonly receiveQueueDrops?: readonly ReceiveQueueDropRecord[];
  readonly loss?: readonly LossReport[];
}

export function recordBatch(seq: number, contents: BatchContents): Batch {
  const { handshakes = [], dnsQueries = [], nameLookups = [], receiveQueueDrops = [], loss = [] } = contents;
  return create(BatchSchema, {
    seq: BigInt(seq),
    loss: lossEntries(loss),
    // A kind without records is left out: its columns would have a row_count of 0, which is refused.
    ...(handshakes.length > 0 && { handshakes: handshakeColumns(handshakes) }),
    ...(dnsQueries.length > 0 && { dnsQueries: dnsQueryColumns(dnsQueries) }),
    ...(nameLookups.length > 0 && { nameLookups: nameLookupColumns(nameLookups) }),
    ...(receiveQueueDrops.length > 0 && { receiveQueueDrops: receiveQueueDropColumns(receiveQueueDrops) }),
  });
}

export function recordBatchBytes(seq: number, contents: BatchContents): Uint8Array {
  return toBinary(BatchSchema, recordBatch(seq, contents));
}
