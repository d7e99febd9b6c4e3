import { ByteWriter } from './byte-writer.js';

export const ADDRESS_BYTES = 16;

/** One packed column, as it will be sent. */
export class Column extends ByteWriter {
  constructor(
    readonly field: number,
    capacity: number,
  ) {
    super(capacity);
  }

  /** A value of `unknown` stands for "not known", which is 0 on this wire. */
  plusOne(value: number, unknown: number): void {
    this.varint(value === unknown ? 0 : value + 1);
  }

  address(bytes: Buffer, position: number): void {
    this.copy(bytes, position, position + ADDRESS_BYTES);
  }
}
