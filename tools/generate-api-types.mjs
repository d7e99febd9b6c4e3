#!/usr/bin/env node
/** Generates the types of the CLI's client from the REST API of this checkout. */
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { API_TYPES, writeApiTypes } from './lib/api-types.mjs';
import { runMain } from './lib/failure.mjs';
import { buildDirectory, root } from './lib/workspace.mjs';

await runMain(async () => {
  const tsc = join(root, 'node_modules/.bin/tsc');
  const built = spawnSync(tsc, ['-b', 'apps/control-plane'], { cwd: root, stdio: 'inherit' });
  if (built.status !== 0) return 1;
  const path = join(root, API_TYPES);
  mkdirSync(buildDirectory, { recursive: true });
  mkdirSync(dirname(path), { recursive: true });
  writeApiTypes(path);
  return 0;
});
