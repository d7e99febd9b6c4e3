import { BatchRefusedError } from './batch-refused.error.js';
import { malformed, type WireReader, WireType } from './wire-reader.js';

/** row_count of all columns is at most this. */
export const MAXIMUM_ROWS = 4_096;

/** A number column of a protobuf message, and what it may hold as sent: for a …_plus_one column, 0 and the bound of the value plus one. */
export interface NumberRange {
  readonly field: number;
  readonly name: string;
  readonly minimum: number;
  readonly maximum: number;
  /** Zigzag (sint32, sint64) on the wire. */
  readonly signed: boolean;
}

/** One number column of the batch that is being read. The array is allocated once and used again for every batch. */
export class NumberColumn {
  readonly values = new Float64Array(MAXIMUM_ROWS);
  count = 0;

  /** `path`: what the column is called in errors, behind the message that it belongs to. */
  constructor(
    readonly range: NumberRange,
    readonly path: string,
  ) {}

  /**
   * Takes the column's values from the wire: packed, as every proto3 encoder writes them, or one by one, as protobuf obliges readers
   * to accept, in any mixture.
   */
  read(reader: WireReader, wireType: number): void {
    if (wireType === WireType.LengthDelimited) {
      const length = reader.length();
      this.#readUntil(reader, reader.position + length);
    } else if (wireType === WireType.Varint) {
      const start = reader.position;
      reader.varint();
      const end = reader.position;
      reader.position = start;
      this.#readUntil(reader, end);
    } else {
      throw malformed(reader.message, `${this.range.name} has wire type ${wireType}`);
    }
  }

  /** The hot loop: written out here, because a call per number would cost more than all the rest of it. */
  #readUntil(reader: WireReader, end: number): void {
    const { bytes } = reader;
    const { values } = this;
    const { minimum, maximum, signed } = this.range;
    let { position } = reader;
    let { count } = this;
    while (position < end) {
      if (count === MAXIMUM_ROWS) {
        throw new BatchRefusedError('out_of_range', `${this.path} has more than ${MAXIMUM_ROWS} values`);
      }
      let byte = bytes[position++] as number;
      let value = byte & 0x7f;
      for (let scale = 128; byte >= 0x80; scale *= 128) {
        if (position >= end || scale > 2 ** 63) {
          throw malformed(reader.message, `${this.range.name} ends within a number`);
        }
        byte = bytes[position++] as number;
        value += (byte & 0x7f) * scale;
      }
      if (signed) {
        const half = Math.floor(value / 2);
        value = half * 2 === value ? half : -half - 1;
      }
      if (!(value >= minimum && value <= maximum)) throw this.#outOfRange(value, count);
      values[count++] = value;
    }
    reader.position = position;
    this.count = count;
  }

  #outOfRange(value: number, row: number): BatchRefusedError {
    const { minimum, maximum } = this.range;
    return new BatchRefusedError(
      'out_of_range',
      `${this.path}[${row}] is ${value}, outside ${minimum}–${maximum}`,
    );
  }
}
