import { isUtf8 } from 'node:buffer';
import { BatchRefusedError } from './batch-refused.error.js';

/** https://protobuf.dev/programming-guides/encoding/#structure; groups (3, 4) are not part of proto3. */
export const WireType = { Varint: 0, Fixed64: 1, LengthDelimited: 2, Fixed32: 5 } as const;

/** A varint of 64 bits has at most ten bytes of seven bits each. */
const LAST_VARINT_SCALE = 128 ** 9;

/** The tilde. DEL follows. */
const HIGHEST_PRINTABLE = 0x7e;

/** Walks over the bytes of one protobuf message. Never reads past `end`; every malformed byte is a BatchRefusedError. */
export class WireReader {
  position: number;

  constructor(
    readonly bytes: Uint8Array,
    readonly message: string,
    start = 0,
    readonly end = bytes.length,
  ) {
    this.position = start;
  }

  get done(): boolean {
    return this.position >= this.end;
  }

  /** Field number × 8 + wire type. */
  tag(): number {
    const tag = this.varint();
    if (tag < 8 || tag > 0xffffffff) throw malformed(this.message, 'a field number is out of range');
    return tag;
  }

  /**
   * An unsigned varint as a number. Exact up to 2^53; above it, the nearest double, which every range check refuses.
   * (A negative int32 or int64 has ten bytes, and so lands there too.)
   */
  varint(): number {
    const { bytes, end } = this;
    let value = 0;
    for (let scale = 1; scale <= LAST_VARINT_SCALE; scale *= 128) {
      if (this.position >= end) throw malformed(this.message, 'it ends within a number');
      const byte = bytes[this.position++] ?? 0;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
    throw malformed(this.message, 'a number has more than ten bytes');
  }

  /** The length of a length-delimited field, checked against what is left. */
  length(): number {
    const length = this.varint();
    if (length > this.end - this.position)
      throw malformed(this.message, 'a field is longer than the message');
    return length;
  }

  /** A view, not a copy. */
  view(): Uint8Array {
    const length = this.length();
    this.position += length;
    return this.bytes.subarray(this.position - length, this.position);
  }

  /** A reader over an embedded message. */
  nested(message: string): WireReader {
    const length = this.length();
    this.position += length;
    return new WireReader(this.bytes, message, this.position - length, this.position);
  }

  /** The bytes of a string that Postgres takes as text: UTF-8 without U+0000. */
  text(field: string, maximumBytes: number): Uint8Array {
    const bytes = this.view();
    if (bytes.length > maximumBytes) {
      throw new BatchRefusedError(
        'out_of_range',
        `${field} has ${bytes.length} bytes, more than ${maximumBytes}`,
      );
    }
    if (!isUtf8(bytes)) throw new BatchRefusedError('out_of_range', `${field} is not UTF-8`);
    if (bytes.includes(0)) throw new BatchRefusedError('out_of_range', `${field} contains U+0000`);
    return bytes;
  }

  /** The bytes of a string of printable ASCII, from `lowest` to 0x7e: what it holds cannot steer a terminal. Not empty. */
  printable(field: string, lowest: number, maximumBytes: number): Uint8Array {
    const bytes = this.view();
    const { length } = bytes;
    if (length < 1 || length > maximumBytes) {
      throw new BatchRefusedError('out_of_range', `${field} has ${length} bytes, outside 1–${maximumBytes}`);
    }
    for (let i = 0; i < length; i++) {
      const byte = bytes[i] as number;
      if (byte >= lowest && byte <= HIGHEST_PRINTABLE) continue;
      const hex = (value: number) => `0x${value.toString(16).padStart(2, '0')}`;
      throw new BatchRefusedError(
        'out_of_range',
        `${field} has byte ${hex(byte)} at ${i}, outside ${hex(lowest)}–${hex(HIGHEST_PRINTABLE)}: escape it as \\DDD`,
      );
    }
    return bytes;
  }

  /** Passes over a field that this version does not know, as protobuf asks of every reader. */
  skip(wireType: number): void {
    if (wireType === WireType.Varint) this.varint();
    else if (wireType === WireType.LengthDelimited) this.view();
    else if (wireType === WireType.Fixed64) this.#advance(8);
    else if (wireType === WireType.Fixed32) this.#advance(4);
    else throw malformed(this.message, `wire type ${wireType} is not part of proto3`);
  }

  #advance(length: number): void {
    if (length > this.end - this.position) throw malformed(this.message, 'it ends within a field');
    this.position += length;
  }
}

export function malformed(message: string, what: string): BatchRefusedError {
  return new BatchRefusedError('malformed', `${message} is malformed: ${what}`);
}
