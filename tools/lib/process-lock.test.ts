import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { takeProcessLock } from './process-lock.mjs';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'synscope-lock-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

it('names the process that holds the lock, and is free once that has been killed', async () => {
  const path = join(directory, 'lock');
  const script = `
    import { takeProcessLock } from ${JSON.stringify(join(import.meta.dirname, 'process-lock.mjs'))};
    takeProcessLock(${JSON.stringify(path)});
    console.log('taken');
    setInterval(() => {}, 1000);`;
  const holder = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(holder.stdout, 'data');
  expect(takeProcessLock(path)).toEqual({ heldBy: holder.pid });
  holder.kill('SIGKILL');
  await once(holder, 'exit');
  expect(takeProcessLock(path)).toHaveProperty('release');
});

it('does not mistake another process with the same pid for the holder', () => {
  const path = join(directory, 'lock');
  writeFileSync(path, JSON.stringify({ pid: 1, startTicks: 'of an earlier boot' }));
  expect(takeProcessLock(path)).toHaveProperty('release');
});

it('takes over a file that is no lock', () => {
  const path = join(directory, 'lock');
  writeFileSync(path, '{"pid":');
  expect(takeProcessLock(path)).toHaveProperty('release');
  expect(JSON.parse(readFileSync(path, 'utf8'))).toMatchObject({ pid: process.pid });
});
