import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TestLog } from '../testing/test-log.js';
import { PolicyFile } from './policy-file.js';

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'synscope-policy-'));
  path = join(folder, 'policy.json');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const open = () => new PolicyFile(path, new TestLog());

describe('the policy file', () => {
  it('limits nothing where there is none', () => {
    expect(new PolicyFile(undefined, new TestLog()).current()).toEqual({});
  });

  it('is read again when it has changed', () => {
    writeFileSync(path, '{"maxSessions": 3}');
    const file = open();
    expect(file.current()).toEqual({ maxSessions: 3 });
    writeFileSync(path, '{"maxSessions": 12}');
    expect(file.current()).toEqual({ maxSessions: 12 });
  });

  it('stays what it was when it becomes wrong or vanishes, and says so', () => {
    writeFileSync(path, '{"maxSessions": 3}');
    const file = open();
    writeFileSync(path, '{"maxSessions": "many"}');
    expect(file.current()).toEqual({ maxSessions: 3 });
    expect(file.problem).toContain('is wrong: maxSessions');
    rmSync(path);
    expect(file.current()).toEqual({ maxSessions: 3 });
    expect(file.problem).toContain('cannot be read');
    writeFileSync(path, '{}');
    expect(file.current()).toEqual({});
    expect(file.problem).toBe('');
  });

  it.each([
    ['no JSON', '{', 0o600, /is no JSON/],
    ['no object', '[]', 0o600, /is wrong: top level/],
    ['writable by all', '{}', 0o666, /can be written by others than root: chown root:root and chmod 644 it/],
  ])('is refused when it is %s', (_, text, mode, message) => {
    writeFileSync(path, text);
    chmodSync(path, mode);
    expect(open).toThrow(message);
  });

  it('is refused when it is not there', () => {
    expect(open).toThrow(/policy\.json cannot be read/);
  });
});
