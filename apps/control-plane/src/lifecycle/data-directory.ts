import { existsSync } from 'node:fs';
import { access, constants, mkdir } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { StartupError } from './startup-error.js';

/** Makes the data directory if it is missing, readable for this user only. */
export async function prepareDataDirectory(path: string): Promise<void> {
  try {
    await makeDirectory(resolve(path));
    await access(path, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new StartupError(
      `SYNSCOPE_DATA_DIR=${path}: the folder cannot be made or written to (${reason}). Give this user the permission, or set SYNSCOPE_DATA_DIR to another folder`,
    );
  }
}

/** Folder by folder: where a file system takes no new folders (/proc), Node's own recursive mkdir tries for ever. */
async function makeDirectory(path: string): Promise<void> {
  if (existsSync(path)) return;
  await makeDirectory(dirname(path));
  await mkdir(path, { mode: 0o700 });
}
