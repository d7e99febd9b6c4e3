import type { BatchHash } from '../record-storage/record-id.js';
import type { NumberColumn } from './number-column.js';
import type { StoredNumber } from './record-kind.js';

/** Signature, flags and the length of the header's extension: https://www.postgresql.org/docs/18/sql-copy.html#SQL-COPY-BINARY-FORMAT */
export const COPY_HEADER: Buffer = Buffer.from('PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0', 'latin1');
export const COPY_TRAILER: Buffer = Buffer.from([0xff, 0xff]);

export const SQL_NULL: Uint8Array = Uint8Array.of(0xff, 0xff, 0xff, 0xff);

/** 2000-01-01T00:00:00Z, from which Postgres counts, in microseconds since the Unix epoch. */
const POSTGRES_EPOCH_US = 946_684_800_000_000;
const TWO_TO_32 = 2 ** 32;
const UUID_OID = 2950;

/** Families of inet's binary form: PGSQL_AF_INET and PGSQL_AF_INET6 of src/include/utils/inet.h. Then bits, is_cidr = 0, bytes. */
const IPV4_PREFIX = 0x02200004;
const IPV6_PREFIX = 0x03800010;

/** Longest fields with their length in front. */
export const TIMESTAMP_BYTES = 12;
export const UUID_BYTES = 20;
export const ADDRESS_BYTES = 24;

const WIDTHS = { smallint: 2, integer: 4, bigint: 8 } as const;

/** A number column together with how it is stored. */
export interface NumberField {
  readonly values: Float64Array;
  readonly width: 2 | 4 | 8;
  readonly offset: number;
  /** What is smaller than this after the offset is stored as null. */
  readonly smallest: number;
}

export function numberField(
  { values }: NumberColumn,
  { type, offset, zeroIsNull }: StoredNumber,
): NumberField {
  const smallest = zeroIsNull ? 1 - offset : Number.NEGATIVE_INFINITY;
  return { values, width: WIDTHS[type], offset, smallest };
}

// Each of these writes one field, its length in front, and answers where the next begins.

/** One loop instead of a function per column: nothing is called in it, so that no number is boxed. */
export function putNumbers(
  view: DataView,
  start: number,
  fields: readonly NumberField[],
  row: number,
): number {
  let at = start;
  for (let i = 0; i < fields.length; i++) {
    const { values, width, offset, smallest } = fields[i] as NumberField;
    const value = (values[row] as number) - offset;
    if (value < smallest) {
      view.setInt32(at, -1);
      at += 4;
    } else if (width === 8) {
      const high = Math.floor(value / TWO_TO_32);
      view.setInt32(at, 8);
      view.setInt32(at + 4, high);
      view.setUint32(at + 8, value - high * TWO_TO_32);
      at += 12;
    } else if (width === 4) {
      view.setInt32(at, 4);
      view.setInt32(at + 4, value);
      at += 8;
    } else {
      view.setInt32(at, 2);
      view.setInt16(at + 4, value);
      at += 6;
    }
  }
  return at;
}

export function putTimestamp(view: DataView, at: number, observedAtUs: number): number {
  const value = observedAtUs - POSTGRES_EPOCH_US;
  const high = Math.floor(value / TWO_TO_32);
  view.setInt32(at, 8);
  view.setInt32(at + 4, high);
  view.setUint32(at + 8, value - high * TWO_TO_32);
  return at + TIMESTAMP_BYTES;
}

export function putRecordId(
  view: DataView,
  at: number,
  observedAtUs: number,
  hash: BatchHash,
  row: number,
): number {
  const milliseconds = Math.floor(observedAtUs / 1_000);
  const high = Math.floor(milliseconds / 65_536);
  view.setInt32(at, 16);
  view.setUint32(at + 4, high);
  view.setUint16(at + 8, milliseconds - high * 65_536);
  view.setUint16(at + 10, 0x7000 + (observedAtUs - milliseconds * 1_000));
  view.setUint32(at + 12, hash.high);
  view.setUint32(at + 16, hash.low + row);
  return at + UUID_BYTES;
}

export function putUuid(view: DataView, at: number, uuid: readonly number[]): number {
  view.setInt32(at, 16);
  view.setUint32(at + 4, uuid[0] as number);
  view.setUint32(at + 8, uuid[1] as number);
  view.setUint32(at + 12, uuid[2] as number);
  view.setUint32(at + 16, uuid[3] as number);
  return at + UUID_BYTES;
}

/** From 16 bytes in network order to inet; ::ffff:a.b.c.d is stored as IPv4. */
export function putAddress(view: DataView, at: number, source: DataView, from: number): number {
  const a = source.getUint32(from);
  const b = source.getUint32(from + 4);
  const c = source.getUint32(from + 8);
  const d = source.getUint32(from + 12);
  if (a === 0 && b === 0 && c === 0xffff) {
    view.setInt32(at, 8);
    view.setUint32(at + 4, IPV4_PREFIX);
    view.setUint32(at + 8, d);
    return at + 12;
  }
  view.setInt32(at, 20);
  view.setUint32(at + 4, IPV6_PREFIX);
  view.setUint32(at + 8, a);
  view.setUint32(at + 12, b);
  view.setUint32(at + 16, c);
  view.setUint32(at + 20, d);
  return at + ADDRESS_BYTES;
}

/** A field encoded beforehand. They are short: a loop beats Uint8Array.set. */
export function putField(buffer: Uint8Array, at: number, field: Uint8Array): number {
  const { length } = field;
  for (let i = 0; i < length; i++) buffer[at + i] = field[i] as number;
  return at + length;
}

export function encodeField(text: Uint8Array): Uint8Array {
  const field = new Uint8Array(4 + text.length);
  new DataView(field.buffer).setInt32(0, text.length);
  field.set(text, 4);
  return field;
}

/** uuid[]: dimensions, has-null flag, element type, size and lower bound of the dimension, elements with their length (array_recv). */
export function encodeSessionSet(ids: readonly Uint8Array[]): Uint8Array {
  const field = new Uint8Array(4 + 20 + ids.length * 20);
  const view = new DataView(field.buffer);
  [field.length - 4, 1, 0, UUID_OID, ids.length, 1].forEach((word, index) => {
    view.setInt32(index * 4, word);
  });
  ids.forEach((id, index) => {
    view.setInt32(24 + index * 20, 16);
    field.set(id, 28 + index * 20);
  });
  return field;
}
