import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { welcome } from './welcome.mjs';

const base = mkdtempSync(join(tmpdir(), 'synscope-welcome-'));
afterEach(() => rmSync(base, { recursive: true }));

it('prints lines that a shell takes as they are, also from a directory with spaces, quotes and dollar signs', () => {
  const dataDir = join(base, `it's "my" $HOME data`);
  mkdirSync(dataDir);
  writeFileSync(join(dataDir, 'admin-token'), 'syna_secret\n');
  const lines = welcome({ dataDir, url: 'http://127.0.0.1:8080', agent: 'running' })
    .split('\n')
    .filter((line) => line.includes('curl'));
  expect(lines).toHaveLength(2);
  for (const line of lines) {
    // A function in place of curl shows the arguments that it would get.
    const args = execFileSync('/bin/sh', ['-c', `curl() { printf '%s\\n' "$@"; }\n${line}`], {
      encoding: 'utf8',
    });
    expect(args).toContain('\nAuthorization: Bearer syna_secret\n');
    expect(args).toMatch(/\nhttp:\/\/127\.0\.0\.1:8080\/api\/v1\/\S+\n$/);
  }
});
