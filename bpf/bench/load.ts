/** What benchmarks load the host with, and how they report. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

export const run = promisify(execFile);

export const built = (name: string): string => fileURLToPath(new URL(`../.build/${name}`, import.meta.url));

/** Of connections, queries, round trips: how many were done. */
export interface Load {
  readonly count: number;
  readonly perSecond: number;
  /** That both ends took for each; not measured by every load. */
  readonly cpuMicroseconds?: number;
}

/** By loopback.c, which says what the loads are. */
export async function loopback(load: 'connections' | 'roundtrips' | 'bulk', seconds: number): Promise<Load> {
  const { stdout } = await run(built('loopback'), [String(seconds), load]);
  const done = JSON.parse(stdout) as { count: number; seconds: number };
  return { count: done.count, perSecond: done.count / done.seconds };
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

export interface Figure {
  readonly figure: string;
  readonly measured: number | null;
  readonly limit: string;
}

export function printReport(figures: readonly Figure[]): void {
  console.table(
    figures.map((row) => ({
      ...row,
      measured: row.measured === null ? 'not measured' : Number(row.measured.toFixed(3)),
    })),
  );
}
