import { createHmac, type KeyObject } from 'node:crypto';
import { PROCESS_NAME_LENGTH, type RecordCursor } from '@synscope/probe-wire';

/** What leaves this host of the names of its processes. */
export type ProcessNamesPolicy = 'full' | 'hash' | 'none';

/** After "#", in the 15 characters that a process name has at most: two names of one host meet once in 2^56. */
const HASH_DIGITS = 14;
/** A host has some hundred different ones; processes may choose any. */
const CACHE_MAX = 4096;

/** Takes out of records what the host keeps back of the names of processes, before anything else sees them. */
export class ProcessNames {
  private readonly hashes = new Map<string, string>();

  /** `key` is asked for only to hash. */
  constructor(
    private readonly policy: () => ProcessNamesPolicy,
    private readonly key: () => KeyObject,
  ) {}

  /** Changes the bytes of the cursor's current record. */
  mask(record: RecordCursor): void {
    const policy = this.policy();
    if (policy === 'full') return;
    const { bytes, processNamePosition: start } = record;
    const end = start + PROCESS_NAME_LENGTH;
    const length = bytes.subarray(start, end).indexOf(0);
    const name = bytes.toString('latin1', start, length < 0 ? end : start + length);
    bytes.fill(0, start, end);
    if (policy === 'hash' && name !== '') bytes.write(this.hashOf(name), start, 'latin1');
  }

  private hashOf(name: string): string {
    const known = this.hashes.get(name);
    if (known !== undefined) return known;
    const digits = createHmac('sha256', this.key()).update(name, 'latin1').digest('hex');
    const hash = `#${digits.slice(0, HASH_DIGITS)}`;
    if (this.hashes.size >= CACHE_MAX) this.hashes.clear();
    this.hashes.set(name, hash);
    return hash;
  }
}
