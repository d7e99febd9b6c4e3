import { readFileSync } from 'node:fs';

/** Which boot of which host this is (random(4)): 16 bytes, or none where it cannot be read. */
export function hostBootId(): Uint8Array {
  try {
    const text = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim().replaceAll('-', '');
    return /^[0-9a-f]{32}$/.test(text) ? Buffer.from(text, 'hex') : new Uint8Array();
  } catch {
    return new Uint8Array();
  }
}
