import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The program that is named, else the one built in this checkout, else the one on the PATH; undefined if there is none. */
export function findProbe(named: string | undefined, searchPath: string | undefined): string | undefined {
  if (named !== undefined) return named;
  const built = fileURLToPath(new URL('../../../../bpf/.build/synscope-probe', import.meta.url));
  const installed = (searchPath ?? '')
    .split(delimiter)
    .filter((folder) => folder !== '')
    .map((folder) => join(folder, 'synscope-probe'));
  return [built, ...installed].find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
