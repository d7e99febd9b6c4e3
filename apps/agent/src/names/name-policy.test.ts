import { createSecretKey } from 'node:crypto';
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DataDirectory } from '../data-directory.js';
import { type NamePolicy, namePolicyRefusal, reportedName } from './name-policy.js';
import { namePolicyOf } from './query-names-setting.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'synscope-names-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const labels = (name: string) => name.split('.');

describe('what leaves the host of a name', () => {
  it.each([
    [1, 'www.example.com', '*.com'],
    [2, 'www.example.com', '*.example.com'],
    [2, 'a.b.c.example.com', '*.example.com'],
    [3, 'www.example.com', 'www.example.com'],
    [2, 'localhost', 'localhost'],
  ])('last-labels=%i makes %s into %s', (count, name, reported) => {
    expect(reportedName({ kind: 'last_labels', labels: count }, labels(name))).toBe(reported);
  });

  it('is a hash that differs by key and by name, and is the same for the same', () => {
    const policy = (byte: number): NamePolicy => ({
      kind: 'hash',
      key: createSecretKey(Buffer.alloc(32, byte)),
    });
    const hash = reportedName(policy(1), labels('www.example.com'));
    expect(hash).toMatch(/^[0-9a-f]{32}\.hashed\.invalid$/);
    expect(reportedName(policy(1), labels('www.example.com'))).toBe(hash);
    expect(reportedName(policy(2), labels('www.example.com'))).not.toBe(hash);
    expect(reportedName(policy(1), labels('example.com'))).not.toBe(hash);
    expect(reportedName(policy(1), [])).toMatch(/^[0-9a-f]{32}\.hashed\.invalid$/);
  });

  it('is the HMAC that everybody who has the key can compute', () => {
    // printf www.example.com | openssl dgst -sha256 -hmac 0123456789abcdef0123456789abcdef
    writeFileSync(join(folder, 'key'), '0123456789abcdef0123456789abcdef\n');
    const policy = namePolicyOf({ kind: 'hash', keyFile: join(folder, 'key') }, new DataDirectory(folder));
    expect(reportedName(policy, labels('www.example.com'))).toBe(
      'e1fba6ff8d5896a24306ab6e4a6ebd48.hashed.invalid',
    );
  });
});

describe('the key of the hashes', () => {
  const policy = (keyFile?: string) => namePolicyOf({ kind: 'hash', keyFile }, new DataDirectory(folder));

  it('is made once, for its user alone, and stays', () => {
    const made = reportedName(policy(), ['host']);
    const path = join(folder, 'query-names-key');
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readFileSync(path, 'utf8')).toMatch(/^[0-9a-f]{64}\n$/);
    expect(reportedName(policy(), ['host'])).toBe(made);
    // Given to another host, the file makes the same hashes there.
    expect(reportedName(policy(path), ['host'])).toBe(made);
  });

  it('is not made if none is needed', () => {
    namePolicyOf({ kind: 'last_labels', labels: 2 }, new DataDirectory(folder));
    expect(() => statSync(join(folder, 'query-names-key'))).toThrow(/ENOENT/);
  });

  it.each<[string, string | Buffer | undefined, RegExp]>([
    ['is missing', undefined, /ENOENT/],
    ['is too short', 'secret\n', /holds 6 bytes; at least 32 are needed/],
    ['is too large for a key', Buffer.alloc(5000), /has 5000 bytes, more than 4096/],
  ])('is refused with status 2 if its file %s', (_what, content, problem) => {
    const path = join(folder, 'key');
    if (content !== undefined) writeFileSync(path, content);
    expect(() => policy(path)).toThrow(problem);
    expect(() => policy(path)).toThrow(/--query-names-key-file/);
    expect(() => policy(path)).toThrow(expect.objectContaining({ code: 'bad_usage', exitStatus: 2 }));
  });

  it('is refused if its file is a folder', () => {
    expect(() => policy(folder)).toThrow(/it is no file/);
  });

  it('is not made anew over a damaged one', () => {
    writeFileSync(join(folder, 'query-names-key'), 'abc');
    chmodSync(join(folder, 'query-names-key'), 0o600);
    expect(() => policy()).toThrow(/query-names-key is damaged/);
  });
});

describe('a session’s filter', () => {
  const hash: NamePolicy = { kind: 'hash', key: createSecretKey(Buffer.alloc(32)) };

  it('may name what the host lets out, and may always name nothing', () => {
    const filter = { queryNames: ['a.b.c.d'], queryNameSuffixes: ['b.c.d'] };
    expect(namePolicyRefusal({ kind: 'full' }, filter)).toBeNull();
    expect(namePolicyRefusal({ kind: 'last_labels', labels: 4 }, filter)).toBeNull();
    expect(namePolicyRefusal(hash, { queryNames: [] })).toBeNull();
  });

  it.each([
    [
      { kind: 'last_labels', labels: 3 } as const,
      { queryNames: ['d', 'a.b.c.d'] },
      /query_names\[1\] has 4 labels/,
    ],
    [
      { kind: 'last_labels', labels: 1 } as const,
      { queryNameSuffixes: ['c.d'] },
      /only the last label of names/,
    ],
    [hash, { queryNameSuffixes: ['com'] }, /filter\.query_name_suffixes cannot be used/],
  ])('may not tell more than the host lets out (%#)', (policy, filter, problem) => {
    expect(namePolicyRefusal(policy, filter)).toMatch(problem);
  });
});
