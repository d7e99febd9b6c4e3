import { readFile, writeFile } from 'node:fs/promises';
import { cpus, release } from 'node:os';
import type { Family } from '../../lab/lab.js';
import { table } from '../table.js';
import type { FaultCase } from './cases.js';
import { allEnds, type Ends, endsNames } from './ends.js';

/** What was found of one case over one family. */
export interface MatrixRow {
  readonly testCase: FaultCase;
  readonly family: Family;
  readonly found: Readonly<Partial<Record<Ends, readonly string[]>>>;
  /** Of the labs whose both ends were traced; they are the same in the others. */
  readonly observations: readonly string[];
}

const header = ['fault', 'family', ...allEnds.map((ends) => endsNames[ends]), 'by others than Synscope'];

function cells({ testCase, family, found, observations }: MatrixRow): string[] {
  const codes = allEnds.map((ends) => {
    const ofEnds = found[ends];
    if (ofEnds === undefined) return 'not run';
    return ofEnds.length === 0 ? '–' : ofEnds.map((code) => `\`${code}\``).join(', ');
  });
  return [testCase.name, family === 'ipv4' ? 'IPv4' : 'IPv6', ...codes, observations.join('; ')];
}

export function formatMatrix(rows: readonly MatrixRow[]): string {
  return table(header, rows.map(cells));
}

/** "least / median / most", in seconds. */
export function distribution(us: readonly number[]): string {
  const sorted = us.toSorted((one, other) => one - other);
  const at = (share: number) =>
    ((sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN) / 1e6).toFixed(1);
  return `${sorted.length} deliveries: fastest ${at(0)} s, median ${at(0.5)} s, p90 ${at(0.9)} s, slowest ${at(1)} s`;
}

const begin = '<!-- fault-matrix:begin -->';
const end = '<!-- fault-matrix:end -->';

/** Puts the matrix and what belongs to it between the markers of a document. */
export async function writeMatrix(
  file: string,
  rows: readonly MatrixRow[],
  figures: readonly string[],
): Promise<void> {
  const text = await readFile(file, 'utf8');
  const from = text.indexOf(begin);
  const to = text.indexOf(end);
  if (from < 0 || to < from) throw new Error(`${file} has no markers ${begin} … ${end}`);
  const written = `${begin}
Written by \`SYNSCOPE_WRITE_REPORT=1 npm run test:accuracy\` on ${new Date().toISOString().slice(0, 10)}, Linux ${release()}, ${process.arch}, ${cpus().length} processors.

${formatMatrix(rows)}

${figures.map((figure) => `- ${figure}`).join('\n')}
`;
  await writeFile(file, text.slice(0, from) + written + text.slice(to));
}
