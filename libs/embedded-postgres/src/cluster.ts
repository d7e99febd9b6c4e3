import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import type { Account } from './account.js';
import type { Binaries } from './binaries.js';
import { diskFullError, EmbeddedPostgresError, isMissingFile } from './errors.js';

export const SUPERUSER = 'synscope';

/** What this package writes into its data directory; anything else there belongs to somebody else. */
export const dataDirectoryPaths = (dataDir: string) => ({
  cluster: join(dataDir, 'cluster'),
  unfinishedCluster: join(dataDir, 'cluster.new'),
  password: join(dataDir, 'password'),
  ownerLock: join(dataDir, 'owner.json'),
  log: join(dataDir, 'server.log'),
});

export function prepareDataDirectory(dataDir: string): void {
  // Traversable, as Postgres runs as another user than root; what is secret in it has its own mode.
  mkdirSync(dataDir, { recursive: true, mode: 0o711 });
  const entries = readdirSync(dataDir);
  if (entries.includes('PG_VERSION')) {
    throw new EmbeddedPostgresError(
      'data_directory_foreign',
      `${dataDir} is the cluster of another Postgres. Start that server and set DATABASE_URL, or choose another data directory.`,
    );
  }
  const own = Object.values(dataDirectoryPaths(dataDir));
  const foreign = entries.find(
    (name) => !own.includes(join(dataDir, name)) && !name.startsWith('postgres-binaries-'),
  );
  if (foreign !== undefined) {
    throw new EmbeddedPostgresError(
      'data_directory_foreign',
      `${dataDir} holds files that are not ours ("${foreign}"). Choose another data directory.`,
    );
  }
}

/** The password of an existing cluster, or undefined when there is none yet; throws when it cannot be used. */
export function readExistingCluster(dataDir: string, majorVersion: string): string | undefined {
  const paths = dataDirectoryPaths(dataDir);
  if (!existsSync(paths.cluster)) {
    const link = lstatSync(paths.cluster, { throwIfNoEntry: false });
    if (link === undefined) return undefined;
    throw new EmbeddedPostgresError(
      'data_directory_foreign',
      `The database files of ${dataDir} are gone (${readlinkSync(paths.cluster)}). Restore them, or delete ${dataDir} to begin anew.`,
    );
  }
  try {
    const version = readFileSync(join(paths.cluster, 'PG_VERSION'), 'utf8').trim();
    if (version !== majorVersion) {
      throw new EmbeddedPostgresError(
        'data_directory_version',
        `${paths.cluster} was written by Postgres ${version}, and this is Postgres ${majorVersion}. Dump it with the old version, or choose another data directory.`,
      );
    }
    return readFileSync(paths.password, 'utf8').trim();
  } catch (error) {
    if (!isMissingFile(error)) throw error;
    throw new EmbeddedPostgresError(
      'data_directory_foreign',
      `${dataDir} is not complete: ${error instanceof Error ? error.message : ''}. Restore it, or delete it to begin anew.`,
    );
  }
}

export type CreateClusterOptions = {
  readonly dataDir: string;
  /** Where the files go: the data directory, or a directory that the account can walk to. */
  readonly filesDirectory: string;
  readonly account: Account | undefined;
  readonly binaries: Binaries;
  readonly database: string;
  readonly durable: boolean;
  readonly signal: AbortSignal | undefined;
};

/** Makes the cluster beside its final place and renames it when complete, so that an interrupted start leaves none. */
export async function createCluster(options: CreateClusterOptions): Promise<string> {
  const { account, binaries } = options;
  const paths = dataDirectoryPaths(options.dataDir);
  removeCluster(paths.unfinishedCluster);
  const directory = makeClusterDirectory(paths.unfinishedCluster, options);

  const password = randomBytes(24).toString('base64url');
  writeFileSync(paths.password, `${password}\n`, { mode: 0o600 });
  const passwordForInitdb = `${directory}.password`;
  writeFileSync(passwordForInitdb, `${password}\n`, { mode: 0o600 });
  if (account !== undefined) chownSync(passwordForInitdb, account.uid, account.gid);
  const run = (program: string, args: string[], input: string) =>
    runToEnd(program, args, input, account, directory, options.signal);
  try {
    await run(
      binaries.initdb,
      [
        ...['-D', directory, '-U', SUPERUSER, `--pwfile=${passwordForInitdb}`, '--auth=scram-sha-256'],
        // The built-in locale sorts the same on every host; that of the C library changes with its version.
        ...['-E', 'UTF8', '--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8'],
        ...['--set=timezone=UTC', '--set=log_timezone=UTC', '--no-instructions'],
        ...(options.durable ? [] : ['--no-sync']),
      ],
      '',
    );
    await run(
      binaries.postgres,
      ['--single', '-D', directory, 'postgres'],
      `CREATE DATABASE "${options.database}";\n`,
    );
  } catch (error) {
    removeCluster(paths.unfinishedCluster);
    throw error;
  } finally {
    rmSync(passwordForInitdb, { force: true });
  }
  renameSync(paths.unfinishedCluster, paths.cluster);
  return password;
}

function makeClusterDirectory(
  at: string,
  { account, dataDir, filesDirectory }: CreateClusterOptions,
): string {
  let directory = at;
  if (filesDirectory !== dataDir) {
    directory = join(filesDirectory, `cluster-${randomBytes(6).toString('hex')}`);
    symlinkSync(directory, at);
  }
  mkdirSync(directory, { mode: 0o700 });
  if (account !== undefined) chownSync(directory, account.uid, account.gid);
  return directory;
}

function removeCluster(path: string): void {
  if (existsSync(path)) rmSync(realpathSync(path), { recursive: true, force: true });
  rmSync(path, { recursive: true, force: true });
}

async function runToEnd(
  program: string,
  args: readonly string[],
  input: string,
  account: Account | undefined,
  directory: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const child = spawn(program, args, { ...account, cwd: '/', env: { PATH: process.env['PATH'] }, signal });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  // A program that ends before it has read its input says why on its other streams.
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0 || /^.*(FATAL|ERROR):/m.test(output)) throw failureOf(program, output, directory);
}

/** The reason out of what initdb or the server printed. */
export function failureOf(program: string, output: string, directory: string): EmbeddedPostgresError {
  if (output.includes('No space left on device') || output.includes('Disk quota exceeded')) {
    return diskFullError(directory);
  }
  const lines = output.split('\n').filter((line) => line.trim() !== '');
  const reason =
    lines.findLast((line) => /\b(FATAL|PANIC|error):/i.test(line)) ?? lines.at(-1) ?? 'it printed nothing';
  return new EmbeddedPostgresError('start_failed', `${program} failed: ${reason.trim()}`);
}
