/**
 * BPF run time by the kernel's own statistics, of the quietest of several runs of a load. Not in the runs that compare traced with bare, because
 * measuring costs time as well: the kernel looks at the clock before and after every run. How much of a figure that is, programs that do nothing tell.
 */
import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import type { SlotSpec } from '@synscope/probe-wire';
import { built, type Load } from './load.ts';
import { MeasuredProbe } from './measured-probe.ts';

const RUNS = 5;

/** For each of what the load counts. */
export interface Cost {
  readonly microseconds: number;
  readonly runs: number;
}

interface Measurement {
  readonly runTimeNs: number;
  readonly runCount: number;
  readonly load: Load;
}

/** Where empty.bpf.c hooks in: once for each event of a socket, or for each packet in each direction. */
type EmptyPrograms = 'sockops' | 'packets';

async function quietest(measure: () => Promise<Measurement>): Promise<Cost> {
  const costs: Cost[] = [];
  for (let i = 0; i < RUNS; i++) {
    const { runTimeNs, runCount, load } = await measure();
    costs.push({ microseconds: runTimeNs / load.count / 1000, runs: runCount / load.count });
  }
  costs.sort((a, b) => a.microseconds - b.microseconds);
  return costs[0] ?? { microseconds: Number.NaN, runs: Number.NaN };
}

/** The probe's programs with one session. */
export async function programsCost(slot: SlotSpec, run: () => Promise<Load>): Promise<Cost> {
  return quietest(async () => {
    const probe = new MeasuredProbe('--cost-sample-seconds', '3600');
    await probe.configure(slot);
    const load = await run();
    await probe.configure();
    const { runTimeNs, runCount } = probe.stats?.bpf ?? {};
    await probe.end();
    return { runTimeNs: runTimeNs ?? Number.NaN, runCount: runCount ?? Number.NaN, load };
  });
}

/** One run of the load with programs attached that do nothing; the figures are zeros unless measured. */
export async function withEmptyPrograms(
  programs: EmptyPrograms,
  run: () => Promise<Load>,
  ...options: '--measure'[]
): Promise<Measurement> {
  const mounts = await readFile('/proc/self/mountinfo', 'utf8');
  const mount = mounts.split('\n').find((line) => line.includes(' - cgroup2 '));
  const process = spawn(built('empty'), [mount?.split(' ')[4] ?? '', programs, ...options], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: process.stdout })[Symbol.asyncIterator]();
  await lines.next();
  const load = await run();
  process.stdin.end();
  const cost = JSON.parse((await lines.next()).value as string) as { runTimeNs: number; runCount: number };
  return { load, ...cost };
}

export async function emptyProgramsCost(programs: EmptyPrograms, run: () => Promise<Load>): Promise<Cost> {
  return quietest(() => withEmptyPrograms(programs, run, '--measure'));
}
