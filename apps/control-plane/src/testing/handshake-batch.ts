import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import {
  type Batch,
  BatchSchema,
  type HandshakeColumnsSchema,
  HandshakeOutcome,
  HandshakeRole,
} from '@synscope/protocol';
import fc from 'fast-check';
import { type LossReport, lossEntries } from './loss-report.js';
import { addressArbitrary, commonArbitraries, LONGEST_US, nullable } from './record-arbitraries.js';
import { type CommonRecord, commonColumns, commonRecord, ipv4 } from './record-columns.js';

/** One record as an agent knows it, before it is put into columns. */
export interface HandshakeRecord extends CommonRecord {
  readonly role: HandshakeRole;
  readonly outcome: HandshakeOutcome;
  /** 16 bytes, IPv4 as ::ffff:a.b.c.d. */
  readonly localAddress: Uint8Array;
  readonly remoteAddress: Uint8Array;
  readonly localPort: number;
  readonly remotePort: number;
  readonly latencyUs: number | null;
  readonly acceptWaitUs: number | null;
  readonly srttUs: number | null;
  readonly synRetransmits: number | null;
  readonly synAckRetransmits: number | null;
  readonly clientIsn: number | null;
  readonly serverIsn: number | null;
  readonly flags: number;
}

/** A fast client handshake with 192.0.2.1:443, observed now, changed as asked. */
export function handshakeRecord(changes: Partial<HandshakeRecord> = {}): HandshakeRecord {
  return {
    ...commonRecord(),
    role: HandshakeRole.CLIENT,
    outcome: HandshakeOutcome.ESTABLISHED,
    localAddress: ipv4('10.0.0.1'),
    remoteAddress: ipv4('192.0.2.1'),
    localPort: 40_000,
    remotePort: 443,
    latencyUs: 1_234,
    acceptWaitUs: null,
    srttUs: 1_200,
    synRetransmits: 0,
    synAckRetransmits: null,
    clientIsn: 1,
    serverIsn: 2,
    flags: 0,
    ...changes,
  };
}

export function batchOf(
  seq: number,
  records: readonly HandshakeRecord[],
  loss: readonly LossReport[] = [],
): Batch {
  return create(BatchSchema, {
    seq: BigInt(seq),
    loss: lossEntries(loss),
    ...(records.length > 0 && { handshakes: handshakeColumns(records) }),
  });
}

export function batchBytes(
  seq: number,
  records: readonly HandshakeRecord[],
  loss: readonly LossReport[] = [],
): Uint8Array {
  return toBinary(BatchSchema, batchOf(seq, records, loss));
}

/** At least one record, as an agent puts them into columns. */
export function handshakeColumns(
  records: readonly HandshakeRecord[],
): MessageInitShape<typeof HandshakeColumnsSchema> {
  const column = (pick: (record: HandshakeRecord) => number): number[] => records.map(pick);
  const plusOne = (pick: (record: HandshakeRecord) => number | null): number[] =>
    records.map((record) => (pick(record) ?? -1) + 1);
  return {
    ...commonColumns(records),
    role: column((record) => record.role),
    outcome: column((record) => record.outcome),
    localAddress: Buffer.concat(records.map(({ localAddress }) => localAddress)),
    remoteAddress: Buffer.concat(records.map(({ remoteAddress }) => remoteAddress)),
    localPort: column((record) => record.localPort),
    remotePort: column((record) => record.remotePort),
    latencyUsPlusOne: plusOne((record) => record.latencyUs).map(BigInt),
    acceptWaitUsPlusOne: plusOne((record) => record.acceptWaitUs).map(BigInt),
    srttUsPlusOne: plusOne((record) => record.srttUs),
    synRetransmitsPlusOne: plusOne((record) => record.synRetransmits),
    synAckRetransmitsPlusOne: plusOne((record) => record.synAckRetransmits),
    clientIsnPlusOne: plusOne((record) => record.clientIsn).map(BigInt),
    serverIsnPlusOne: plusOne((record) => record.serverIsn).map(BigInt),
    flags: column((record) => record.flags),
  };
}

/** Records over the whole of what the contract allows, observed from `fromUs` to `untilUs`. */
export function handshakeRecordArbitrary(fromUs: number, untilUs: number): fc.Arbitrary<HandshakeRecord> {
  return fc.record({
    ...commonArbitraries(fromUs, untilUs),
    role: fc.constantFrom(HandshakeRole.CLIENT, HandshakeRole.SERVER),
    outcome: fc.integer({ min: 1, max: 6 }),
    localAddress: addressArbitrary,
    remoteAddress: addressArbitrary,
    localPort: fc.integer({ min: 0, max: 65_535 }),
    remotePort: fc.integer({ min: 0, max: 65_535 }),
    latencyUs: nullable(LONGEST_US),
    acceptWaitUs: nullable(LONGEST_US),
    srttUs: nullable(2 ** 31 - 1),
    synRetransmits: nullable(2 ** 15 - 1),
    synAckRetransmits: nullable(2 ** 15 - 1),
    clientIsn: nullable(2 ** 32 - 1),
    serverIsn: nullable(2 ** 32 - 1),
    flags: fc.integer({ min: 0, max: 2 ** 15 - 1 }),
  });
}
