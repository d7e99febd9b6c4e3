import stringWidth from 'string-width';
import { describe, expect, it } from 'vitest';
import { type Column, renderTable } from './table.js';

interface Item {
  readonly name: string;
  readonly count: number;
}
const columns: readonly Column<Item>[] = [
  { heading: 'NAME', text: ({ name }) => name, mayBeCut: true },
  {
    heading: 'COUNT',
    text: ({ count }) => String(count),
    align: 'right',
    tone: ({ count }) => (count > 1 ? 'bad' : undefined),
  },
];
const plain = { columns: undefined, hasColors: false };

describe('a table', () => {
  it('has columns as wide as what is in them, numbers to the right', () => {
    const items = [
      { name: 'a', count: 1 },
      { name: 'longer', count: 1_000_000 },
    ];
    expect(renderTable(columns, items, plain)).toBe('NAME      COUNT\na             1\nlonger  1000000\n');
  });

  it('measures by the width of characters, not by their number', () => {
    const items = [
      { name: '世界', count: 1 },
      { name: 'abcd', count: 2 },
    ];
    const [, wide = '', narrow = ''] = renderTable(columns, items, plain).split('\n');
    expect(stringWidth(wide)).toBe(stringWidth(narrow));
  });

  it('cuts what may be cut to the width of the terminal', () => {
    const items = [{ name: 'x'.repeat(100), count: 12 }];
    const lines = renderTable(columns, items, { columns: 40, hasColors: false }).trimEnd().split('\n');
    for (const line of lines) expect(stringWidth(line)).toBeLessThanOrEqual(40);
    expect(lines[1]).toMatch(/^x+… {2,}12$/);
  });

  it('escapes what would steer the terminal before it measures', () => {
    const table = renderTable(columns, [{ name: '\u001b[2J\u202e', count: 1 }], plain);
    expect(table).toContain(String.raw`\x1b[2J\u{202e}      1`);
  });

  it('has colours of its own only where they are wanted', () => {
    const items = [{ name: 'a', count: 2 }];
    expect(renderTable(columns, items, plain)).not.toContain('\u001b');
    expect(renderTable(columns, items, { columns: 80, hasColors: true })).toContain(
      '\u001b[31m    2\u001b[0m',
    );
  });
});
