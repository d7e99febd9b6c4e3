#!/usr/bin/env node
/** Generates the code of the protocol into a temporary directory and compares it with what is committed. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { buildDirectory, root } from './lib/workspace.mjs';

const generated = 'libs/protocol/src/gen';

mkdirSync(buildDirectory, { recursive: true });
const directory = mkdtempSync(join(buildDirectory, 'generated-'));
try {
  for (const [program, ...args] of [
    ['buf', 'generate', '--output', directory],
    ['diff', '-r', '-u', join(root, generated), join(directory, generated)],
  ]) {
    const { status } = spawnSync(String(program), args, { cwd: root, stdio: 'inherit' });
    if (status !== 0) {
      process.exitCode = 1;
      break;
    }
  }
} finally {
  rmSync(directory, { recursive: true, force: true });
}
