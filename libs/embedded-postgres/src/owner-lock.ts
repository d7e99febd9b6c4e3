import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { EmbeddedPostgresError } from './errors.js';

type Owner = { readonly pid: number; readonly startTicks: string };

/** Field 22 of /proc/<pid>/stat. With the pid it names one process for good, as pids are used again. */
function startTicks(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}

function readOwner(path: string): Owner | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Owner;
  } catch {
    return undefined;
  }
}

/** Keeps two supervisors off one data directory. A lock left by a killed process does not count. */
export function acquireOwnerLock(path: string, dataDir: string): () => void {
  const owner = readOwner(path);
  if (owner !== undefined && startTicks(owner.pid) === owner.startTicks) {
    throw new EmbeddedPostgresError(
      'data_directory_in_use',
      `The data directory ${dataDir} is in use by process ${owner.pid}. Stop that one first, or choose another directory.`,
    );
  }
  rmSync(path, { force: true });
  const self: Owner = { pid: process.pid, startTicks: startTicks(process.pid) ?? '' };
  // "wx" fails when a second process comes in between, which is then the one to go on.
  writeFileSync(path, JSON.stringify(self), { flag: 'wx', mode: 0o644 });
  return () => rmSync(path, { force: true });
}
