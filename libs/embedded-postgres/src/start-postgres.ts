import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  realpathSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { type Account, accountFor, canReach } from './account.js';
import { type Binaries, locateBinaries } from './binaries.js';
import {
  createCluster,
  dataDirectoryPaths,
  failureOf,
  prepareDataDirectory,
  readExistingCluster,
  SUPERUSER,
} from './cluster.js';
import { dataDirectoryError, EmbeddedPostgresError } from './errors.js';
import { acquireOwnerLock } from './owner-lock.js';
import { findRunningServer, readPostmasterPid, stopServer } from './postmaster-pid.js';

export type StartPostgresOptions = {
  /** Directory of this package's own; made when missing. Everything of the database is below it. */
  readonly dataDir: string;
  /** Database that the URL names, made with the cluster. Default `synscope`. */
  readonly database?: string;
  /** Loopback port. Default: a free one, chosen at every start. */
  readonly port?: number;
  /** False gives up crash safety for speed (no fsync). For throw-away clusters only. Default true. */
  readonly durable?: boolean;
  /** Server parameters, as in postgresql.conf. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Called with one line before each step that takes time. */
  readonly onProgress?: (line: string) => void;
  /** Ends an unfinished start. */
  readonly signal?: AbortSignal;
};

export type RunningPostgres = {
  /** With the password; keep it out of logs. */
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  readonly logFile: string;
  /** Settles when the server has ended, for whatever reason. */
  readonly exited: Promise<void>;
  /** Rolls back what is open, checkpoints and ends. Can be called twice. */
  stop(): Promise<void>;
};

/** Holds the files when Postgres cannot walk to the data directory, as below root's 0700 home. */
const SHARED_STATE_DIRECTORY = '/var/lib/synscope';
/** Above this many bytes the server's log begins anew at the next start. */
const LOG_LIMIT = 10_000_000;
/** Milliseconds for start and crash recovery together; replaying the log takes about 3 s per GB. */
const START_LIMIT_MS = 180_000;
/** A free port can be taken by another process before Postgres has it. */
const PORT_ATTEMPTS = 5;

/**
 * Starts the Postgres that npm installed on a loopback port, on the cluster in `dataDir`, which it makes at the first
 * start. As root it runs as the cluster's owner, or `postgres` or `nobody` for a new one. A server that a killed
 * predecessor left on the cluster is stopped first. Rejects with an EmbeddedPostgresError.
 */
export async function startPostgres(options: StartPostgresOptions): Promise<RunningPostgres> {
  const { dataDir, database = 'synscope', durable = true, signal } = options;
  const paths = dataDirectoryPaths(dataDir);
  let releaseLock: (() => void) | undefined;
  try {
    prepareDataDirectory(dataDir);
    releaseLock = acquireOwnerLock(paths.ownerLock, dataDir);
    const account = accountFor(paths.cluster);
    const filesDirectory = reachableDirectory(dataDir, account);
    const binaries = locateBinaries(account, filesDirectory);
    let password = readExistingCluster(dataDir, binaries.majorVersion);
    if (password === undefined) {
      options.onProgress?.(`Creating the database in ${dataDir}`);
      if (filesDirectory !== dataDir) {
        options.onProgress?.(
          `Its files go to ${filesDirectory}, as Postgres cannot walk to ${dataDir} without being root`,
        );
      }
      password = await createCluster({
        dataDir,
        filesDirectory,
        account,
        binaries,
        database,
        durable,
        signal,
      });
    }
    const directory = realpathSync(paths.cluster);
    const leftOver = findRunningServer(directory);
    if (leftOver !== undefined) {
      options.onProgress?.(`Stopping the database server of an earlier run (process ${leftOver})`);
      await stopServer(leftOver, () => findRunningServer(directory) !== undefined);
    }
    const server = await launch(options, { directory, account, binaries, logFile: paths.log });
    void server.exited.then(releaseLock);
    return { ...server, url: `postgres://${SUPERUSER}:${password}@127.0.0.1:${server.port}/${database}` };
  } catch (error) {
    releaseLock?.();
    if (signal?.aborted) throw signal.reason;
    throw error instanceof EmbeddedPostgresError ? error : dataDirectoryError(dataDir, error);
  }
}

function reachableDirectory(dataDir: string, account: Account | undefined): string {
  if (canReach(account, dataDir)) return dataDir;
  mkdirSync(SHARED_STATE_DIRECTORY, { recursive: true, mode: 0o755 });
  return SHARED_STATE_DIRECTORY;
}

type Installation = {
  readonly directory: string;
  readonly account: Account | undefined;
  readonly binaries: Binaries;
  readonly logFile: string;
};

async function launch(
  options: StartPostgresOptions,
  installation: Installation,
): Promise<Omit<RunningPostgres, 'url'>> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await launchOn(options.port ?? (await freePort()), options, installation);
    } catch (error) {
      const portTaken =
        error instanceof EmbeddedPostgresError && error.message.includes('could not create any TCP/IP');
      if (!portTaken || options.port !== undefined || attempt === PORT_ATTEMPTS) throw error;
    }
  }
}

async function launchOn(
  port: number,
  { durable = true, settings = {}, signal }: StartPostgresOptions,
  { directory, account, binaries, logFile }: Installation,
): Promise<Omit<RunningPostgres, 'url'>> {
  const parameters: Record<string, string> = {
    listen_addresses: '127.0.0.1',
    port: String(port),
    unix_socket_directories: '',
    ...(durable ? {} : { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' }),
    ...settings,
  };
  const log = openSync(logFile, 'a', 0o600);
  if (fstatSync(log).size > LOG_LIMIT) ftruncateSync(log);
  const logStart = fstatSync(log).size;
  const child = spawn(
    binaries.postgres,
    ['-D', directory, ...Object.entries(parameters).flatMap(([name, value]) => ['-c', `${name}=${value}`])],
    // A session of its own: Ctrl-C in the terminal is for us, who stop the server after its clients.
    { ...account, cwd: '/', env: { PATH: process.env['PATH'] }, stdio: ['ignore', log, log], detached: true },
  );
  closeSync(log);
  const endWithUs = () => child.kill('SIGINT');
  process.once('exit', endWithUs);
  const exited = once(child, 'exit').then(
    () => void process.off('exit', endWithUs),
    () => void process.off('exit', endWithUs),
  );
  const isRunning = () => child.pid !== undefined && child.exitCode === null && child.signalCode === null;
  const stop = async () => {
    if (child.pid !== undefined) await stopServer(child.pid, isRunning);
  };

  const deadline = Date.now() + START_LIMIT_MS;
  while (true) {
    if (!isRunning()) {
      await exited;
      const output = readFileSync(logFile).subarray(logStart).toString('utf8');
      throw failureOf('Postgres', output, directory);
    }
    const status = readPostmasterPid(directory);
    if (status?.ready && status.pid === child.pid) {
      return { port, pid: status.pid, logFile, exited, stop };
    }
    if (signal?.aborted || Date.now() > deadline) {
      await stop();
      signal?.throwIfAborted();
      throw new EmbeddedPostgresError(
        'start_failed',
        `Postgres is not ready after ${START_LIMIT_MS / 1000} s; see ${logFile}.`,
      );
    }
    await delay(10);
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() =>
        typeof address === 'object' && address ? resolve(address.port) : reject(new Error('no port')),
      );
    });
  });
}
