import { randomBytes } from 'node:crypto';
import type { StringDictionary } from './string-dictionary.js';

/** The text of the bytes from `start` to `end`; called once for each distinct sequence in a batch. */
export type TextOf = (bytes: Buffer, start: number, end: number) => string;

/** Whether "a" and "A" are the same. */
export type LetterCase = 'distinct' | 'ignored';

const AS_IT_IS = Uint8Array.from({ length: 256 }, (_, byte) => byte);
const LOWER = AS_IT_IS.map((byte) => (byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte));

/** Remote hosts choose the names: without a secret they could choose those that meet in one place of the table. */
const HASH_SEED = randomBytes(4).readInt32LE(0);

const FIRST_KEY_BYTES = 1024;

/**
 * Finds texts of one batch by the bytes that they are made from: what is known already costs no string. Open addressing with linear
 * probing; the table is at least twice as large as a batch has records, so that it never fills.
 */
export class ByteDictionary {
  private readonly fold: Uint8Array;
  /** Entry by hash; −1 where there is none. */
  private readonly table: Int32Array;
  private readonly mask: number;
  private count = 0;
  private readonly hashes: Int32Array;
  /** Where the key of each entry ends; it begins where the one before ends. */
  private readonly keyEnds: Int32Array;
  private readonly textIndexes: Int32Array;
  private keys = Buffer.allocUnsafeSlow(FIRST_KEY_BYTES);

  constructor(
    maxEntries: number,
    private readonly texts: StringDictionary,
    private readonly textOf: TextOf,
    letterCase: LetterCase,
  ) {
    this.fold = letterCase === 'ignored' ? LOWER : AS_IT_IS;
    const size = 2 ** Math.ceil(Math.log2(maxEntries * 2));
    this.table = new Int32Array(size).fill(-1);
    this.mask = size - 1;
    this.hashes = new Int32Array(maxEntries);
    this.keyEnds = new Int32Array(maxEntries);
    this.textIndexes = new Int32Array(maxEntries);
  }

  clear(): void {
    if (this.count === 0) return;
    this.count = 0;
    this.table.fill(-1);
  }

  /** The index in `texts` of the text of the bytes from `start` to `end`. */
  index(bytes: Buffer, start: number, end: number): number {
    const hash = this.hash(bytes, start, end);
    for (let place = hash & this.mask; ; place = (place + 1) & this.mask) {
      const entry = this.table[place] as number;
      if (entry < 0) return this.insert(place, hash, bytes, start, end);
      if (this.hashes[entry] === hash && this.isKey(entry, bytes, start, end)) {
        return this.textIndexes[entry] as number;
      }
    }
  }

  /** FNV-1a, its bits mixed at the end (MurmurHash3's finalizer): the table takes the low ones. */
  private hash(bytes: Buffer, start: number, end: number): number {
    const { fold } = this;
    let h = HASH_SEED;
    for (let i = start; i < end; i++) h = Math.imul(h ^ (fold[bytes[i] as number] as number), 0x01000193);
    h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
    h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
    return h ^ (h >>> 16);
  }

  private keyStart(entry: number): number {
    return entry === 0 ? 0 : (this.keyEnds[entry - 1] as number);
  }

  private isKey(entry: number, bytes: Buffer, start: number, end: number): boolean {
    const { fold, keys } = this;
    const keyStart = this.keyStart(entry);
    if ((this.keyEnds[entry] as number) - keyStart !== end - start) return false;
    for (let i = start; i < end; i++) {
      if (fold[bytes[i] as number] !== keys[keyStart + i - start]) return false;
    }
    return true;
  }

  private insert(place: number, hash: number, bytes: Buffer, start: number, end: number): number {
    const entry = this.count++;
    const keyStart = this.keyStart(entry);
    const keyEnd = keyStart + end - start;
    if (keyEnd > this.keys.length) this.growKeys(keyEnd);
    for (let i = start; i < end; i++)
      this.keys[keyStart + i - start] = this.fold[bytes[i] as number] as number;
    this.keyEnds[entry] = keyEnd;
    this.hashes[entry] = hash;
    this.table[place] = entry;
    const textIndex = this.texts.index(this.textOf(bytes, start, end));
    this.textIndexes[entry] = textIndex;
    return textIndex;
  }

  private growKeys(least: number): void {
    const larger = Buffer.allocUnsafeSlow(Math.max(least, this.keys.length * 2));
    this.keys.copy(larger);
    this.keys = larger;
  }
}
