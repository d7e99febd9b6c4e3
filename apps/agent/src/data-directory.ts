import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { AgentError } from './agent-error.js';

/**
 * The folder of what outlives the agent, readable by its user alone. Each file is replaced as a whole, so that a crash leaves the old or
 * the new. Every method throws AgentError `data_directory` where the folder cannot be used.
 */
export class DataDirectory {
  constructor(private readonly path: string) {
    try {
      makeDirectory(resolve(path));
    } catch (error) {
      throw this.unusable('cannot be made', error);
    }
  }

  pathOf(file: string): string {
    return join(this.path, file);
  }

  /** Undefined if there is no such file. */
  read(file: string): string | undefined {
    try {
      return readFileSync(this.pathOf(file), 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw this.unusable('cannot be read', error);
    }
  }

  replace(file: string, content: string): void {
    const path = this.pathOf(file);
    const temporary = `${path}.${randomBytes(6).toString('hex')}`;
    try {
      const descriptor = openSync(temporary, 'wx', 0o600);
      try {
        writeSync(descriptor, content);
        fsyncSync(descriptor);
      } finally {
        closeSync(descriptor);
      }
      chmodSync(temporary, 0o600);
      renameSync(temporary, path);
      this.makeDurable();
    } catch (error) {
      throw this.unusable('cannot be written', error);
    }
  }

  /** Does nothing if there is no such file. */
  remove(file: string): void {
    try {
      rmSync(this.pathOf(file), { force: true });
      this.makeDurable();
    } catch (error) {
      throw this.unusable('cannot be written', error);
    }
  }

  /** What a folder lists is on the disk only then, whatever was done to its files. */
  private makeDurable(): void {
    const descriptor = openSync(this.path, 'r');
    try {
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
  }

  private unusable(problem: string, error: unknown): AgentError {
    return new AgentError(
      'data_directory',
      `the data directory ${this.path} ${problem}: ${(error as Error).message}`,
    );
  }
}

/** Folder by folder: where a file system takes no new folders (/proc), Node's own recursive mkdir tries for ever. */
function makeDirectory(path: string): void {
  if (existsSync(path)) return;
  makeDirectory(dirname(path));
  mkdirSync(path, { mode: 0o700 });
}
