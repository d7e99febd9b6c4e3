import { createSecretKey } from 'node:crypto';
import type { RecordCursor } from '@synscope/probe-wire';
import { describe, expect, it } from 'vitest';
import { ProcessNames, type ProcessNamesPolicy } from './process-names.js';

const key = createSecretKey(Buffer.alloc(32, 7));

/** What is left of a name of 16 bytes amid others. */
function masked(policy: ProcessNamesPolicy, name: string): string {
  const bytes = Buffer.alloc(20, 0xaa);
  bytes.fill(0, 2, 18).write(name, 2, 'latin1');
  const record = { bytes, processNamePosition: 2 } as unknown as RecordCursor;
  new ProcessNames(
    () => policy,
    () => key,
  ).mask(record);
  expect([...bytes.subarray(0, 2), ...bytes.subarray(18)]).toEqual([0xaa, 0xaa, 0xaa, 0xaa]);
  return bytes.toString('latin1', 2, 18).replace(/\0+$/, '');
}

describe('the names of processes', () => {
  it('leave as they are, as hashes or not at all', () => {
    expect(masked('full', 'postgres')).toBe('postgres');
    expect(masked('hash', 'postgres')).toMatch(/^#[0-9a-f]{14}$/);
    expect(masked('none', 'postgres')).toBe('');
  });

  it('have one hash each, which is that of all 15 bytes', () => {
    expect(masked('hash', 'a')).toBe(masked('hash', 'a'));
    expect(masked('hash', 'fifteen-bytes-a')).not.toBe(masked('hash', 'fifteen-bytes-b'));
    expect(masked('hash', '')).toBe('');
  });
});
