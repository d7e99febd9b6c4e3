import { access, constants, mkdir } from 'node:fs/promises';
import { StartupError } from './startup-error.js';

/** Makes the data directory if it is missing, readable for this user only. */
export async function prepareDataDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
    await access(path, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new StartupError(
      `SYNSCOPE_DATA_DIR=${path}: the folder cannot be made or written to (${reason}). Give this user the permission, or set SYNSCOPE_DATA_DIR to another folder`,
    );
  }
}
