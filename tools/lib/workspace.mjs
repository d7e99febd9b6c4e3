import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Top of the checkout. */
export const root = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');

/** What the commands keep between two runs; ignored by git. */
export const buildDirectory = join(root, '.build');

const ignoredDirectories = new Set(['node_modules', 'dist', '.build', '.nx', '.data', '.git']);

/**
 * Every file below the given paths, relative to the top of the checkout, in a stable order.
 * @param {readonly string[]} paths
 * @returns {string[]}
 */
function filesBelow(paths) {
  return paths.flatMap((path) => {
    const status = statSync(join(root, path), { throwIfNoEntry: false });
    if (status === undefined) return [];
    if (!status.isDirectory()) return [path];
    const names = readdirSync(join(root, path))
      .filter((name) => !ignoredDirectories.has(name))
      .sort();
    return filesBelow(names.map((name) => join(path, name)));
  });
}

/**
 * One hash over the contents of all files below the paths, so that a step is done again only when its input changed.
 * @param {readonly string[]} paths
 */
export function hashOf(paths) {
  const hash = createHash('sha256');
  for (const file of filesBelow(paths)) {
    hash
      .update(file)
      .update('\0')
      .update(readFileSync(join(root, file)))
      .update('\0');
  }
  return hash.digest('hex');
}

/** @param {string} name */
const stampFile = (name) => join(buildDirectory, 'stamps', name);

/**
 * Whether the step was completed with this input.
 * @param {string} name
 * @param {string} hash
 */
export function isStamped(name, hash) {
  try {
    return readFileSync(stampFile(name), 'utf8') === hash;
  } catch {
    return false;
  }
}

/**
 * @param {string} name
 * @param {string} hash
 */
export function stamp(name, hash) {
  mkdirSync(dirname(stampFile(name)), { recursive: true });
  writeFileSync(stampFile(name), hash);
}
