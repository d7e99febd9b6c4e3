import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Failure } from './failure.mjs';
import { buildDirectory, root } from './workspace.mjs';

/** The REST API's types, as the CLI's client has them. */
export const API_TYPES = 'apps/cli/src/gen/openapi.ts';

/**
 * Writes the types of the REST API to `path`: the control plane's OpenAPI document, which it writes without being started, made TypeScript.
 * The control plane must be built.
 * @param {string} path absolute
 */
export function writeApiTypes(path) {
  const directory = mkdtempSync(join(buildDirectory, 'openapi-'));
  try {
    const document = join(directory, 'openapi.json');
    const writer = join(root, 'apps/control-plane/dist/openapi/write-openapi-document.js');
    writeFileSync(document, run(process.execPath, [writer]));
    run(join(root, 'node_modules/.bin/openapi-typescript'), [
      document,
      '--default-non-nullable',
      'false',
      '-o',
      path,
    ]);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/**
 * @param {string} program
 * @param {readonly string[]} args
 */
function run(program, args) {
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  if (status !== 0) throw new Failure(`${program} ${args.join(' ')} failed: ${error?.message ?? stderr}`);
  return stdout;
}
