import stringWidth from 'string-width';
import type { Destination } from '../surroundings.js';
import { escapeText } from './escape.js';

export type Tone = 'good' | 'bad' | 'doubtful';

export interface Column<T> {
  readonly heading: string;
  /** As it is; the table escapes it. */
  readonly text: (item: T) => string;
  readonly align?: 'right';
  /** Whether it may be cut where the terminal is too narrow. */
  readonly mayBeCut?: boolean;
  readonly tone?: (item: T) => Tone | undefined;
}

interface Cell {
  readonly text: string;
  readonly tone: Tone | undefined;
}

const GAP = '  ';
/** What is left of a column that is cut; below it, lines are broken by the terminal instead. */
const LEAST_CUT_WIDTH = 8;
/** Select Graphic Rendition, ECMA-48 §8.3.117. */
const COLORS: Readonly<Record<Tone | 'heading', number>> = { heading: 1, good: 32, bad: 31, doubtful: 33 };

/** Headings and one line per item, fitted to the terminal. Ends with a line end. */
export function renderTable<T>(
  columns: readonly Column<T>[],
  items: readonly T[],
  { columns: lineWidth, hasColors }: Pick<Destination, 'columns' | 'hasColors'>,
): string {
  const rows = items.map((item) =>
    columns.map(({ text, tone }): Cell => ({ text: escapeText(text(item)), tone: tone?.(item) })),
  );
  const natural = columns.map(({ heading }, at) =>
    Math.max(stringWidth(heading), ...rows.map((row) => stringWidth(row[at]?.text ?? ''))),
  );
  const widths = lineWidth === undefined ? natural : fitted(columns, natural, lineWidth);
  const line = (cells: readonly Cell[], color: (cell: Cell) => number | undefined) =>
    cells
      .map((cell, at) => {
        const width = widths[at] ?? 0;
        const last = at === cells.length - 1;
        const shown = padded(cut(cell.text, width), width, columns[at]?.align, last);
        const code = hasColors ? color(cell) : undefined;
        return code === undefined ? shown : `\u001b[${code}m${shown}\u001b[0m`;
      })
      .join(GAP)
      .trimEnd();
  const headings = columns.map(({ heading }): Cell => ({ text: heading, tone: undefined }));
  const lines = [
    line(headings, () => COLORS.heading),
    ...rows.map((row) => line(row, ({ tone }) => tone && COLORS[tone])),
  ];
  return `${lines.join('\n')}\n`;
}

/** Takes from the widest of the columns that may be cut until the line fits. */
function fitted<T>(columns: readonly Column<T>[], natural: readonly number[], lineWidth: number): number[] {
  const widths = [...natural];
  let excess = widths.reduce((sum, width) => sum + width, GAP.length * (widths.length - 1)) - lineWidth;
  while (excess > 0) {
    let widest = -1;
    columns.forEach(({ mayBeCut }, at) => {
      const width = widths[at] ?? 0;
      if (mayBeCut && width > LEAST_CUT_WIDTH && width > (widths[widest] ?? 0)) widest = at;
    });
    if (widest < 0) break;
    widths[widest] = (widths[widest] ?? 0) - 1;
    excess--;
  }
  return widths;
}

const graphemes = new Intl.Segmenter(undefined, { granularity: 'grapheme' });

function cut(text: string, width: number): string {
  if (stringWidth(text) <= width) return text;
  let shown = '';
  let taken = 0;
  for (const { segment } of graphemes.segment(text)) {
    taken += stringWidth(segment);
    if (taken > width - 1) break;
    shown += segment;
  }
  return `${shown}…`;
}

function padded(text: string, width: number, align: 'right' | undefined, last: boolean): string {
  const space = ' '.repeat(Math.max(0, width - stringWidth(text)));
  if (align === 'right') return space + text;
  return last ? text : text + space;
}
