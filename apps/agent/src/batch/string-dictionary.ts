import type { ByteWriter } from './byte-writer.js';
import { delimitedSize, writeDelimited } from './protobuf-wire.js';

/** A `repeated string` of a batch, each text once; columns refer to it by index. */
export class StringDictionary {
  /** Bytes that `writeTo` will add. */
  encodedSize = 0;
  private readonly indexes = new Map<string, number>();

  constructor(private readonly field: number) {}

  index(text: string): number {
    let index = this.indexes.get(text);
    if (index === undefined) {
      index = this.indexes.size;
      this.indexes.set(text, index);
      this.encodedSize += delimitedSize(this.field, Buffer.byteLength(text));
    }
    return index;
  }

  writeTo(out: ByteWriter): void {
    for (const text of this.indexes.keys()) {
      writeDelimited(out, this.field, Buffer.byteLength(text));
      out.utf8(text);
    }
  }

  clear(): void {
    this.indexes.clear();
    this.encodedSize = 0;
  }
}
