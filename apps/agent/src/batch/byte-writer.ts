/** Above this, bit operations of JavaScript no longer apply. */
const UINT32_LIMIT = 4294967296;
/** A varint of 64 bits. */
const VARINT_MAX_BYTES = 10;

/** Up to here a loop is faster than the call into native code that Buffer.copy is. */
const SHORT_COPY_BYTES = 32;

/** Bytes in a buffer that grows and is used again; it writes what the protobuf wire needs. */
export class ByteWriter {
  bytes: Buffer;
  length = 0;

  constructor(capacity: number) {
    this.bytes = Buffer.allocUnsafeSlow(Math.max(capacity, 16));
  }

  clear(): void {
    this.length = 0;
  }

  /** 0 ≤ value ≤ 2^53−1, an integer. */
  varint(value: number): void {
    this.reserve(VARINT_MAX_BYTES);
    const bytes = this.bytes;
    let at = this.length;
    let rest = value;
    while (rest >= UINT32_LIMIT) {
      const next = Math.floor(rest / 128);
      bytes[at++] = (rest - next * 128) | 0x80;
      rest = next;
    }
    while (rest > 127) {
      bytes[at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    bytes[at++] = rest;
    this.length = at;
  }

  /** An unsigned value of 64 bits, given as halves. */
  varint64(low: number, high: number): void {
    if (high < 0x200000) {
      this.varint(high * UINT32_LIMIT + low);
      return;
    }
    this.reserve(VARINT_MAX_BYTES);
    const bytes = this.bytes;
    let at = this.length;
    let lowRest = low >>> 0;
    let highRest = high >>> 0;
    while (highRest > 0) {
      bytes[at++] = (lowRest & 0x7f) | 0x80;
      lowRest = ((lowRest >>> 7) | (highRest << 25)) >>> 0;
      highRest >>>= 7;
    }
    this.length = at;
    this.varint(lowRest);
  }

  /** A signed value as protobuf's sint64 has it; |value| < 2^52. */
  zigzag(value: number): void {
    this.varint(value >= 0 ? value * 2 : -value * 2 - 1);
  }

  copy(source: Buffer, start: number, end: number): void {
    const count = end - start;
    this.reserve(count);
    if (count <= SHORT_COPY_BYTES) {
      const bytes = this.bytes;
      const at = this.length;
      for (let i = 0; i < count; i++) bytes[at + i] = source[start + i] as number;
    } else {
      source.copy(this.bytes, this.length, start, end);
    }
    this.length += count;
  }

  utf8(text: string): void {
    this.reserve(Buffer.byteLength(text));
    this.length += this.bytes.write(text, this.length, 'utf8');
  }

  private reserve(count: number): void {
    if (this.length + count <= this.bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.bytes.length * 2, this.length + count));
    this.bytes.copy(larger, 0, 0, this.length);
    this.bytes = larger;
  }
}

/** How many bytes `varint` writes for this value. */
export function varintSize(value: number): number {
  let size = 1;
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) size++;
  return size;
}
