import { type ByteWriter, varintSize } from './byte-writer.js';

const LENGTH_DELIMITED = 2;

/** Bytes of a length-delimited field with so long a content. */
export function delimitedSize(field: number, length: number): number {
  return tagSize(field) + varintSize(length) + length;
}

/** The beginning of a length-delimited field; its content follows. */
export function writeDelimited(out: ByteWriter, field: number, length: number): void {
  out.varint((field << 3) | LENGTH_DELIMITED);
  out.varint(length);
}

export function varintFieldSize(field: number, value: number): number {
  return tagSize(field) + varintSize(value);
}

export function writeVarintField(out: ByteWriter, field: number, value: number): void {
  out.varint(field << 3);
  out.varint(value);
}

function tagSize(field: number): number {
  return field < 16 ? 1 : 2;
}
