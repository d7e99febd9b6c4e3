#!/usr/bin/env node
/** Generates the code of the protocol and the types of the REST API into a temporary directory and compares them with what is committed. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { API_TYPES, writeApiTypes } from './lib/api-types.mjs';
import { runMain } from './lib/failure.mjs';
import { buildDirectory, root } from './lib/workspace.mjs';

const PROTOCOL = 'libs/protocol/src/gen';

/**
 * @param {string} program
 * @param {readonly string[]} args
 */
function succeeds(program, args) {
  return spawnSync(program, args, { cwd: root, stdio: 'inherit' }).status === 0;
}

mkdirSync(buildDirectory, { recursive: true });
const directory = mkdtempSync(join(buildDirectory, 'generated-'));
const apiTypes = join(directory, 'openapi.ts');
await runMain(async () => {
  try {
    const protocolIsEqual =
      succeeds('buf', ['generate', '--output', directory]) &&
      succeeds('diff', ['-r', '-u', join(root, PROTOCOL), join(directory, PROTOCOL)]);
    writeApiTypes(apiTypes);
    const apiIsEqual = succeeds('diff', ['-u', join(root, API_TYPES), apiTypes]);
    return protocolIsEqual && apiIsEqual ? 0 : 1;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});
