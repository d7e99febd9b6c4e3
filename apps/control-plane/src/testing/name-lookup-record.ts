import type { MessageInitShape } from '@bufbuild/protobuf';
import type { NameLookupColumnsSchema } from '@synscope/protocol';
import fc from 'fast-check';
import { commonArbitraries, LONGEST_US, printableArbitrary, whole } from './record-arbitraries.js';
import { type CommonRecord, commonColumns, commonRecord, distinct } from './record-columns.js';

/** One call of getaddrinfo() as an agent knows it, before it is put into columns. */
export interface NameLookupRecord extends CommonRecord {
  readonly latencyUs: number;
  /** 0, or a negative EAI_…. */
  readonly resultCode: number;
  readonly family: number;
  readonly name: string;
  readonly flags: number;
}

/** A quick lookup of www.example.com that succeeded just now, changed as asked. */
export function nameLookupRecord(changes: Partial<NameLookupRecord> = {}): NameLookupRecord {
  return {
    ...commonRecord(),
    latencyUs: 2_345,
    resultCode: 0,
    family: 0,
    name: 'www.example.com',
    flags: 0,
    ...changes,
  };
}

/** At least one record, as an agent puts them into columns. */
export function nameLookupColumns(
  records: readonly NameLookupRecord[],
): MessageInitShape<typeof NameLookupColumnsSchema> {
  const names = distinct(records.map(({ name }) => name));
  return {
    ...commonColumns(records),
    latencyUs: records.map(({ latencyUs }) => BigInt(latencyUs)),
    resultCode: records.map(({ resultCode }) => resultCode),
    family: records.map(({ family }) => family),
    nameIndex: records.map(({ name }) => names.indexOf(name)),
    flags: records.map(({ flags }) => flags),
    names,
  };
}

/** Records over the whole of what ingest takes, observed from `fromUs` to `untilUs`. */
export function nameLookupRecordArbitrary(fromUs: number, untilUs: number): fc.Arbitrary<NameLookupRecord> {
  return fc.record({
    ...commonArbitraries(fromUs, untilUs),
    latencyUs: fc.oneof(whole(LONGEST_US), fc.constant(366 * LONGEST_US)),
    resultCode: fc.oneof(fc.integer({ min: -20, max: 0 }), fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })),
    family: fc.oneof(fc.constantFrom(0, 2, 10), whole(65_535)),
    name: printableArbitrary(' ', 1_020),
    flags: whole(2 ** 15 - 1),
  });
}
