import { readdirSync, readFileSync } from 'node:fs';

/** A process that another one with the same id cannot be mistaken for. */
export interface Process {
  readonly pid: number;
  readonly parent: number;
  /** As in /proc/PID/comm. */
  readonly name: string;
  /** Clock ticks since boot. */
  readonly startedAt: string;
}

function readProcess(pid: number): Process | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return undefined;
  }
  // proc_pid_stat(5): the name is in brackets and may hold anything; state and parent follow, the start time is field 22.
  const rest = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  if (rest[0] === 'Z') return undefined;
  const name = stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')'));
  return { pid, parent: Number(rest[1]), name, startedAt: rest[19] ?? '' };
}

/** A process and everything below it, as of now. */
export function processTree(root: number): readonly Process[] {
  const all = readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .flatMap((entry) => readProcess(Number(entry)) ?? []);
  const below = (pid: number): Process[] =>
    all.filter(({ parent }) => parent === pid).flatMap((process) => [process, ...below(process.pid)]);
  return [...all.filter(({ pid }) => pid === root), ...below(root)];
}

export function isRunning(process: Process): boolean {
  return readProcess(process.pid)?.startedAt === process.startedAt;
}
