import { existsSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * `mkdir -p`, folder by folder: where a file system takes no new folders (/proc), Node's own recursive mkdir tries for ever.
 * @param {string} path absolute
 * @param {number} mode of the folders made
 */
export function makeDirectory(path, mode) {
  if (existsSync(path)) return;
  makeDirectory(dirname(path), mode);
  mkdirSync(path, { mode });
}
