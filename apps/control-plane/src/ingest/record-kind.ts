import type { Probe } from '@synscope/protocol';
import type { RecordTable } from '../record-storage/record-table.js';
import { MAXIMUM_ROWS, type NumberRange } from './number-column.js';

/** Longest time between two events of one record that we believe: 24 h. tcp_syn_retries at its maximum of 127 gives up after about 4 h. */
export const MAXIMUM_LATENCY_US = 86_400_000_000;

/** Farthest that a record may lie from its batch's base time: 366 days, far beyond any spool. */
const MAXIMUM_DELTA_US = 366 * MAXIMUM_LATENCY_US;

export const UINT16_MAX = 2 ** 16 - 1;
export const UINT32_MAX = 2 ** 32 - 1;

/** A number column that is stored, under its name without `_plus_one`. */
export interface StoredNumber extends NumberRange {
  readonly type: 'smallint' | 'integer' | 'bigint';
  /** Subtracted from what was sent. */
  readonly offset: 0 | 1;
  /** What was sent as 0 is stored as null. */
  readonly zeroIsNull: boolean;
}

/** A dictionary of names of which every record has one. */
export interface NameDictionary {
  readonly field: number;
  readonly name: string;
  /** Where it is stored. */
  readonly column: string;
  readonly indexField: number;
  readonly indexName: string;
  /** Names are of bytes from this one to 0x7e, so that none has a control byte: space or what follows it. */
  readonly lowestByte: 0x20 | 0x21;
  readonly maximumBytes: number;
}

/** An address column, 16 bytes per record. */
export interface AddressRange {
  readonly field: number;
  readonly name: string;
}

/**
 * One kind of records: how its columns look in a Batch, and where they are stored. All kinds have in common row_count (1),
 * base_observed_at_us (2), observed_at_delta_us (3), process_names (30), container_ids (31) and session_sets (32).
 */
export interface RecordKind {
  readonly table: RecordTable;
  /** Whose records they are. */
  readonly probe: Probe;
  /** Of synscope.agent.v1.Batch. */
  readonly field: number;
  readonly name: string;
  /** In the order in which they are written to COPY. */
  readonly numbers: readonly StoredNumber[];
  readonly addresses: readonly AddressRange[];
  readonly names: NameDictionary | null;
  /** Field numbers of the columns that point into the common dictionaries. */
  readonly processNameIndexField: number;
  readonly containerIdIndexField: number;
  readonly sessionSetIndexField: number;
}

/** Times of observation. Stored as what they mean together with the base time. */
export const OBSERVED_AT_DELTA: NumberRange = {
  field: 3,
  name: 'observed_at_delta_us',
  minimum: -MAXIMUM_DELTA_US,
  maximum: MAXIMUM_DELTA_US,
  signed: true,
};

/** Places in a dictionary; plus one where a record may have none of its entries. */
export function indexRange(field: number, name: string): NumberRange {
  const maximum = name.endsWith('_plus_one') ? MAXIMUM_ROWS : MAXIMUM_ROWS - 1;
  return { field, name, minimum: 0, maximum, signed: false };
}

/** A number that is always known. */
export function required(
  field: number,
  name: string,
  minimum: number,
  maximum: number,
  type: StoredNumber['type'],
): StoredNumber {
  return { field, name, minimum, maximum, signed: minimum < 0, type, offset: 0, zeroIsNull: false };
}

/** A number of at least 1, or 0 for not known. */
export function zeroIfUnknown(
  field: number,
  name: string,
  maximum: number,
  type: StoredNumber['type'],
): StoredNumber {
  return { field, name, minimum: 0, maximum, signed: false, type, offset: 0, zeroIsNull: true };
}

/** A …_plus_one column. `maximum` is that of the value. */
export function plusOne(
  field: number,
  name: string,
  maximum: number,
  type: StoredNumber['type'],
): StoredNumber {
  const sentAs = `${name}_plus_one`;
  return {
    field,
    name: sentAs,
    minimum: 0,
    maximum: maximum + 1,
    signed: false,
    type,
    offset: 1,
    zeroIsNull: true,
  };
}

/** Whose records they are: the fields' numbers differ between kinds. */
export function processNumbers(fields: {
  readonly netns: number;
  readonly pid: number;
  readonly cgroupId: number;
}): readonly StoredNumber[] {
  return [
    zeroIfUnknown(fields.netns, 'netns', UINT32_MAX, 'bigint'),
    // A kernfs id: its upper half counts how often the 32-bit inode numbers wrapped round. 2^53 is what JSON numbers hold exactly.
    zeroIfUnknown(fields.cgroupId, 'cgroup_id', Number.MAX_SAFE_INTEGER, 'bigint'),
    // PID_MAX_LIMIT of include/linux/threads.h on 64-bit machines.
    zeroIfUnknown(fields.pid, 'pid', 4_194_304, 'integer'),
  ];
}

/** The columns of COPY, in the order in which rows are written. */
export function copyColumnsOf({ numbers, addresses, names }: RecordKind): readonly string[] {
  return [
    'observed_at',
    ...numbers.map(({ name }) => name.replace(/_plus_one$/, '')),
    'id',
    'agent_id',
    ...addresses.map(({ name }) => name),
    ...(names ? [names.column] : []),
    'process_name',
    'container_id',
    'session_ids',
  ];
}
