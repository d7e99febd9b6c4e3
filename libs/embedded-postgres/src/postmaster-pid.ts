import { readFileSync, readlinkSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { EmbeddedPostgresError } from './errors.js';

/** What `postmaster.pid` says; its lines are fixed by src/include/utils/pidfile.h of Postgres. */
export type PostmasterPid = { readonly pid: number; readonly ready: boolean };

export function readPostmasterPid(clusterDirectory: string): PostmasterPid | undefined {
  let lines: string[];
  try {
    lines = readFileSync(join(clusterDirectory, 'postmaster.pid'), 'utf8').split('\n');
  } catch {
    return undefined;
  }
  const pid = Number(lines[0]);
  return Number.isInteger(pid) && pid > 1 ? { pid, ready: lines[7]?.trim() === 'ready' } : undefined;
}

/**
 * The server that a killed supervisor left running on this cluster. A pid file also outlives its server, and its
 * number may belong to another process by now; a postmaster is known by its working directory, the cluster.
 */
export function findRunningServer(clusterDirectory: string): number | undefined {
  const pid = readPostmasterPid(clusterDirectory)?.pid;
  if (pid === undefined) return undefined;
  try {
    return readlinkSync(`/proc/${pid}/cwd`) === realpathSync(clusterDirectory) ? pid : undefined;
  } catch {
    return undefined;
  }
}

/** Milliseconds that a "fast" shutdown (roll back, checkpoint, end) may take before it is made immediate. */
const FAST_SHUTDOWN_MS = 30_000;
const IMMEDIATE_SHUTDOWN_MS = 10_000;

/** Signals as in pg_ctl: SIGINT is its mode "fast", SIGQUIT "immediate" (the next start recovers from the log). */
export async function stopServer(pid: number, isRunning: () => boolean): Promise<void> {
  for (const [signal, patience] of [
    ['SIGINT', FAST_SHUTDOWN_MS],
    ['SIGQUIT', IMMEDIATE_SHUTDOWN_MS],
  ] as const) {
    if (!isRunning()) return;
    try {
      process.kill(pid, signal);
    } catch (error) {
      if (!isRunning()) return;
      throw new EmbeddedPostgresError(
        'stop_failed',
        `Postgres (process ${pid}) cannot be signalled: ${error}`,
      );
    }
    const deadline = Date.now() + patience;
    while (Date.now() < deadline) {
      if (!isRunning()) return;
      await delay(10);
    }
  }
  throw new EmbeddedPostgresError(
    'stop_failed',
    `Postgres (process ${pid}) does not end. Stop it by "kill -9 ${pid}".`,
  );
}
