import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
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
  for (;;) {
    try {
      const self = { pid: process.pid, startTicks: startTicks(process.pid) };
      writeFileSync(path, JSON.stringify(self), { flag: 'wx' });
      return { release: () => rmSync(path, { force: true }) };
    } catch (error) {
      if (!(error instanceof Error) || !('code' in error) || error.code !== 'EEXIST') throw error;
    }
    try {
      const holder = JSON.parse(readFileSync(path, 'utf8'));
      if (holder.pid !== process.pid && startTicks(holder.pid) === holder.startTicks)
        return { heldBy: holder.pid };
    } catch {
      // Half written by a process that was killed, or gone in this moment.
    }
    rmSync(path, { force: true });
  }
}
