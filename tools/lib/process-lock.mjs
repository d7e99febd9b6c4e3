import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * Field 22 of /proc/<pid>/stat: with the pid it names one process for good, as pids are used again.
 * @param {number} pid
 */
function startTicks(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}

/**
 * Takes a lock that dies with this process.
 * @param {string} path
 * @returns {{ release: () => void } | { heldBy: number }}
 */
export function takeProcessLock(path) {
  mkdirSync(dirname(path), { recursive: true });
  const self = `${path}.${process.pid}`;
  for (;;) {
    try {
      // Linked into place when it is complete, so that nobody reads half a lock.
      writeFileSync(self, JSON.stringify({ pid: process.pid, startTicks: startTicks(process.pid) }));
      linkSync(self, path);
      return { release: () => rmSync(path, { force: true }) };
    } catch (error) {
      if (!(error instanceof Error) || !('code' in error) || error.code !== 'EEXIST') throw error;
    } finally {
      rmSync(self, { force: true });
    }
    try {
      const holder = JSON.parse(readFileSync(path, 'utf8'));
      if (holder.pid !== process.pid && startTicks(holder.pid) === holder.startTicks)
        return { heldBy: holder.pid };
    } catch {
      // Not ours, or gone in this moment.
    }
    rmSync(path, { force: true });
  }
}
