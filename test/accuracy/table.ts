import type { Pair } from './comparer.js';

export const milliseconds = (us: number) => (us / 1_000).toFixed(2);

function median(values: readonly number[]): number {
  const sorted = values.toSorted((one, other) => one - other);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

const middleUs = ({ leastUs, mostUs }: Pair) => (leastUs + mostUs) / 2;

export function worstErrorUs(pairs: readonly Pair[]): number {
  return Math.max(...pairs.map((pair) => Math.abs(pair.measuredUs - middleUs(pair))));
}

/** "true → measured (worst error)", medians, milliseconds. */
export function times(pairs: readonly Pair[]): string {
  if (pairs.length === 0) return '–';
  const measuredUs = median(pairs.map((pair) => pair.measuredUs));
  return `${milliseconds(median(pairs.map(middleUs)))} → ${milliseconds(measuredUs)} (${milliseconds(worstErrorUs(pairs))})`;
}

/** A Markdown table whose columns stand below each other also as text. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [header, ...rows];
  const widths = header.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  const format = (line: readonly string[]) =>
    `| ${line.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  const rule = `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`;
  return [format(header), rule, ...rows.map(format)].join('\n');
}
