import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const LAUNCHER = fileURLToPath(new URL('../bin/synscope', import.meta.url));
const MAIN = fileURLToPath(new URL('../dist/main.js', import.meta.url));

/** The program as it is shipped. */
function launch(...argv: readonly string[]) {
  if (!existsSync(MAIN)) throw new Error(`${MAIN} is missing: npm run build first`);
  const env = { PATH: process.env['PATH'], HOME: '/nonexistent', SYNSCOPE_NODE: process.execPath };
  return spawnSync(LAUNCHER, argv, { encoding: 'utf8', env });
}

describe('the launcher', () => {
  it('runs the program and ends with its status', () => {
    expect(launch('--version')).toMatchObject({ status: 0, stderr: '' });
    expect(launch('slow', '--bogus')).toMatchObject({ status: 2, stdout: '' });
  });

  it('ends in order when its reader has enough', () => {
    const env = { PATH: process.env['PATH'], SYNSCOPE_NODE: process.execPath };
    const pipe = `${LAUNCHER} completion fish | head -1; echo "\${PIPESTATUS[0]}"`;
    const { stdout, stderr } = spawnSync('bash', ['--norc', '-c', pipe], { encoding: 'utf8', env });
    expect([stdout.split('\n')[1], stderr]).toEqual(['0', '']);
  });
});
