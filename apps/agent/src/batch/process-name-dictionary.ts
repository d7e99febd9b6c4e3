import { PROCESS_NAME_LENGTH } from '@synscope/probe-wire';
import { escapedUtf8 } from './escaped-utf8.js';

const WORDS = PROCESS_NAME_LENGTH / 4;

/**
 * The process names of one batch, found by their bytes: a name that is known already costs no string. Open addressing with linear
 * probing; the table is at least twice as large as a batch has records, so that it never fills.
 */
export class ProcessNameDictionary {
  readonly names: string[] = [];
  private readonly table: Int32Array;
  private readonly mask: number;
  private readonly keys: Int32Array;

  constructor(maxEntries: number) {
    const size = 2 ** Math.ceil(Math.log2(maxEntries * 2));
    this.table = new Int32Array(size).fill(-1);
    this.mask = size - 1;
    this.keys = new Int32Array(maxEntries * WORDS);
  }

  clear(): void {
    if (this.names.length === 0) return;
    this.names.length = 0;
    this.table.fill(-1);
  }

  /** Index plus one of the NUL-padded name at `position`; 0 for a name of NULs alone, which stands for "not known". */
  indexPlusOne(bytes: Buffer, position: number): number {
    const a = bytes.readInt32LE(position);
    if (a === 0) return 0;
    const b = bytes.readInt32LE(position + 4);
    const c = bytes.readInt32LE(position + 8);
    const d = bytes.readInt32LE(position + 12);
    const keys = this.keys;
    for (let slot = hash(a, b, c, d) & this.mask; ; slot = (slot + 1) & this.mask) {
      const entry = this.table[slot] as number;
      if (entry < 0) return this.insert(slot, a, b, c, d, bytes, position);
      const key = entry * WORDS;
      if (keys[key] === a && keys[key + 1] === b && keys[key + 2] === c && keys[key + 3] === d) {
        return entry + 1;
      }
    }
  }

  private insert(slot: number, a: number, b: number, c: number, d: number, bytes: Buffer, position: number) {
    const entry = this.names.length;
    this.table[slot] = entry;
    this.keys.set([a, b, c, d], entry * WORDS);
    const nul = bytes.indexOf(0, position);
    const end = nul < 0 ? position + PROCESS_NAME_LENGTH : Math.min(nul, position + PROCESS_NAME_LENGTH);
    this.names.push(escapedUtf8(bytes.subarray(position, end)));
    return entry + 1;
  }
}

function hash(a: number, b: number, c: number, d: number): number {
  let h = Math.imul(a, 0x9e3779b1) ^ b;
  h = Math.imul(h ^ (h >>> 15), 0x85ebca6b) ^ c;
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35) ^ d;
  h = Math.imul(h ^ (h >>> 16), 0x27d4eb2f);
  return h ^ (h >>> 15);
}
