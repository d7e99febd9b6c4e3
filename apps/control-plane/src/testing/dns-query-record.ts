import type { MessageInitShape } from '@bufbuild/protobuf';
import { DnsOutcome, type DnsQueryColumnsSchema, DnsSide, DnsTransport } from '@synscope/protocol';
import fc from 'fast-check';
import {
  addressArbitrary,
  commonArbitraries,
  LONGEST_US,
  nullable,
  positiveOrNull,
  printableArbitrary,
  whole,
} from './record-arbitraries.js';
import { type CommonRecord, commonColumns, commonRecord, distinct, ipv4 } from './record-columns.js';

/** One query as an agent knows it, before it is put into columns. */
export interface DnsQueryRecord extends CommonRecord {
  readonly side: DnsSide;
  readonly outcome: DnsOutcome;
  readonly transport: DnsTransport;
  /** 16 bytes, IPv4 as ::ffff:a.b.c.d. */
  readonly clientAddress: Uint8Array;
  readonly serverAddress: Uint8Array;
  readonly clientPort: number;
  readonly serverPort: number;
  readonly elapsedUs: number;
  readonly queryType: number;
  readonly queryClass: number;
  readonly messageId: number;
  readonly responseCode: number | null;
  readonly answerCount: number | null;
  readonly lookupId: number | null;
  readonly attempt: number | null;
  readonly queryName: string;
  readonly flags: number;
}

/** www.example.com A, answered quickly by 192.0.2.53 just now, changed as asked. */
export function dnsQueryRecord(changes: Partial<DnsQueryRecord> = {}): DnsQueryRecord {
  return {
    ...commonRecord(),
    side: DnsSide.CLIENT,
    outcome: DnsOutcome.ANSWERED,
    transport: DnsTransport.UDP,
    clientAddress: ipv4('10.0.0.1'),
    serverAddress: ipv4('192.0.2.53'),
    clientPort: 40_000,
    serverPort: 53,
    elapsedUs: 1_234,
    queryType: 1,
    queryClass: 1,
    messageId: 4_660,
    responseCode: 0,
    answerCount: 2,
    lookupId: 1,
    attempt: 1,
    queryName: 'www.example.com',
    flags: 0,
    ...changes,
  };
}

/** At least one record, as an agent puts them into columns. */
export function dnsQueryColumns(
  records: readonly DnsQueryRecord[],
): MessageInitShape<typeof DnsQueryColumnsSchema> {
  const queryNames = distinct(records.map(({ queryName }) => queryName));
  return {
    ...commonColumns(records),
    side: records.map(({ side }) => side),
    outcome: records.map(({ outcome }) => outcome),
    transport: records.map(({ transport }) => transport),
    clientAddress: Buffer.concat(records.map(({ clientAddress }) => clientAddress)),
    serverAddress: Buffer.concat(records.map(({ serverAddress }) => serverAddress)),
    clientPort: records.map(({ clientPort }) => clientPort),
    serverPort: records.map(({ serverPort }) => serverPort),
    elapsedUs: records.map(({ elapsedUs }) => BigInt(elapsedUs)),
    queryType: records.map(({ queryType }) => queryType),
    queryClass: records.map(({ queryClass }) => queryClass),
    messageId: records.map(({ messageId }) => messageId),
    responseCodePlusOne: records.map(({ responseCode }) => (responseCode ?? -1) + 1),
    answerCountPlusOne: records.map(({ answerCount }) => (answerCount ?? -1) + 1),
    lookupId: records.map(({ lookupId }) => BigInt(lookupId ?? 0)),
    attempt: records.map(({ attempt }) => attempt ?? 0),
    queryNameIndex: records.map(({ queryName }) => queryNames.indexOf(queryName)),
    flags: records.map(({ flags }) => flags),
    queryNames,
  };
}

/** Records over the whole of what the contract allows, observed from `fromUs` to `untilUs`. */
export function dnsQueryRecordArbitrary(fromUs: number, untilUs: number): fc.Arbitrary<DnsQueryRecord> {
  return fc.record({
    ...commonArbitraries(fromUs, untilUs),
    side: fc.constantFrom(DnsSide.CLIENT, DnsSide.RESOLVER),
    outcome: fc.integer({ min: 1, max: 3 }),
    transport: fc.constantFrom(DnsTransport.UDP, DnsTransport.TCP),
    clientAddress: addressArbitrary,
    serverAddress: addressArbitrary,
    clientPort: whole(65_535),
    serverPort: whole(65_535),
    elapsedUs: whole(LONGEST_US),
    queryType: whole(65_535),
    queryClass: whole(65_535),
    messageId: whole(65_535),
    responseCode: nullable(4_095),
    answerCount: nullable(65_535),
    lookupId: positiveOrNull(2 ** 52 - 1),
    attempt: positiveOrNull(65_535),
    queryName: printableArbitrary('!', 1_004),
    flags: whole(2 ** 15 - 1),
  });
}
