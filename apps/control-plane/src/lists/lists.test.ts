import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { negotiateFormat } from './accept.js';
import { csvCell, csvColumns, csvHeader, csvRow } from './csv.js';
import { decodeCursor, encodeCursor, queryFingerprint } from './cursor.js';
import { KeysetList, type KeysetListQuery } from './keyset-list.js';
import { resolveWindow } from './time-window.js';

describe('a keyset list', () => {
  const numbersBelow = (count: number, query: KeysetListQuery & Record<string, unknown> = {}) =>
    new KeysetList({
      name: 'numbers',
      query,
      position: z.tuple([z.int()]),
      nowMs: Date.parse('2026-01-31T12:00:00Z'),
      fetch: async ({ after, limit }) => {
        const first = (after?.[0] ?? -1) + 1;
        return Array.from({ length: Math.max(0, Math.min(limit, count - first)) }, (_, index) => ({
          item: first + index,
          position: [first + index] as const,
        }));
      },
    });

  it('shows every item once, in order, whatever the sizes of list and page', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(60), fc.integer({ min: 1, max: 25 }), async (count, limit) => {
        const seen: number[] = [];
        let cursor: string | undefined;
        do {
          const page = await numbersBelow(count, { limit, cursor }).page();
          expect(page.items.length).toBeLessThanOrEqual(limit);
          seen.push(...page.items);
          cursor = page.nextCursor ?? undefined;
        } while (cursor);
        expect(seen).toEqual(Array.from({ length: count }, (_, index) => index));
      }),
    );
  });

  it('streams everything in chunks, and no more than a given limit', async () => {
    const sizes = async (list: KeysetList<number>) => {
      const found: number[] = [];
      for await (const chunk of list.chunks()) found.push(chunk.length);
      return found;
    };
    expect(await sizes(numbersBelow(2_500))).toEqual([1_000, 1_000, 500]);
    expect(await sizes(numbersBelow(2_000))).toEqual([1_000, 1_000]);
    expect(await sizes(numbersBelow(2_500, { limit: 7 }))).toEqual([7]);
    expect(await sizes(numbersBelow(0))).toEqual([]);
  });

  it('refuses the cursor of another query, and text that is no cursor, naming the parameter', async () => {
    const { nextCursor } = await numbersBelow(10, { limit: 2, colour: 'red' }).page();
    const cursor = nextCursor ?? '';
    expect(() => numbersBelow(10, { cursor, colour: 'red', limit: 5 })).not.toThrow();
    expect(() => numbersBelow(10, { cursor, colour: 'blue' })).toThrow(/^cursor: belongs to another query/);
    expect(() => numbersBelow(10, { cursor: 'x' })).toThrow(/^cursor: is not a cursor/);
    const forged = encodeCursor(queryFingerprint('numbers', {}), {
      after: ['1; DROP TABLE'],
      window: { since: null, until: null },
    });
    expect(() => numbersBelow(10, { cursor: forged })).toThrow(/^cursor: is not a cursor/);
  });

  it('keeps the window of the first page on the pages after it', async () => {
    const windows: unknown[] = [];
    const list = (query: KeysetListQuery, nowMs: number) =>
      new KeysetList({
        name: 'windows',
        query,
        nowMs,
        position: z.tuple([z.int()]),
        fetch: async ({ window, limit }) => {
          windows.push(window);
          return Array.from({ length: limit }, (_, index) => ({ item: index, position: [index] as const }));
        },
      });
    const noon = Date.parse('2026-01-31T12:00:00Z');
    const { nextCursor } = await list({ since: '1h', limit: 1 }, noon).page();
    await list({ since: '1h', limit: 1, cursor: nextCursor ?? '' }, noon + 600_000).page();
    const hour = { since: '2026-01-31T11:00:00.000000Z', until: null };
    expect(windows).toEqual([hour, hour]);
  });

  it('refuses a window that ends before it begins', () => {
    expect(() => resolveWindow({ since: '1h', until: '2h' }, Date.now())).toThrow(
      'until: must be later than since',
    );
  });
});

describe('a cursor', () => {
  it('carries any key back unchanged', () => {
    const position = z.array(z.union([z.string(), z.int(), z.null()]));
    const key = fc.array(fc.oneof(fc.string({ unit: 'grapheme' }), fc.maxSafeInteger(), fc.constant(null)));
    fc.assert(
      fc.property(key, (after) => {
        const state = { after, window: { since: '2026-01-31T11:00:00.000000Z', until: null } };
        expect(decodeCursor(encodeCursor('print', state), 'print', position)).toEqual(state);
      }),
    );
  });

  it('fits a query whatever the order of its parameters', () => {
    expect(queryFingerprint('a', { x: 1, y: [2], limit: 3 })).toBe(
      queryFingerprint('a', { y: [2], x: 1, cursor: 'c' }),
    );
    expect(queryFingerprint('a', { x: 1 })).not.toBe(queryFingerprint('b', { x: 1 }));
  });
});

describe('the choice of a format', () => {
  it.each([
    [undefined, 'application/json'],
    ['*/*', 'application/json'],
    ['application/*', 'application/json'],
    ['text/csv', 'text/csv'],
    ['text/*;q=0.5', 'text/csv'],
    ['application/x-ndjson', 'application/x-ndjson'],
    ['text/html, application/x-ndjson;q=0.9, */*;q=0.1', 'application/x-ndjson'],
    ['application/json;q=0, */*', 'application/x-ndjson'],
    ['application/xml', null],
    ['text/csv;q=0', null],
  ])('for Accept: %s is %s', (accept, format) => {
    expect(negotiateFormat(accept)).toBe(format);
  });
});

describe('CSV', () => {
  const schema = z.strictObject({
    id: z.string(),
    local: z.strictObject({ address: z.string(), port: z.int() }),
    process: z.strictObject({ name: z.string() }).nullable(),
    sessionIds: z.array(z.string()),
    latencyUs: z.int().nullable(),
  });

  it('spreads nested objects over columns, and joins lists', () => {
    const columns = csvColumns(schema);
    expect(csvHeader(columns)).toBe('id,local.address,local.port,process.name,sessionIds,latencyUs\r\n');
    expect(
      csvRow(columns, {
        id: 'a',
        local: { address: '::1', port: 1 },
        process: null,
        sessionIds: ['x', 'y'],
        latencyUs: -3,
      }),
    ).toBe('a,::1,1,,x;y,-3\r\n');
  });

  it.each([
    ['=cmd()', `'=cmd()`],
    ['+1', `'+1`],
    ['-1', `'-1`],
    ['@SUM(A1)', `'@SUM(A1)`],
    ['\t=1', `'\t=1`],
    ['\uff1d1', `'\uff1d1`],
    ['a;=cmd()', `a;'=cmd()`],
    ['a;b', 'a;b'],
    ['\u001b[31mred\u009b0m', '\\u001b[31mred\\u009b0m'],
    ['a,b', '"a,b"'],
    ['say "hi"', '"say ""hi"""'],
    ['two\nlines', '"two\nlines"'],
    ['=HYPERLINK("x","y")', `"'=HYPERLINK(""x"",""y"")"`],
  ])('writes %j so that a spreadsheet shows it and does not run it', (text, cell) => {
    expect(csvCell(text)).toBe(cell);
  });

  it('reads back as what was written', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'grapheme' }), { minLength: 1 }), (texts) => {
        const row = texts.map(csvCell).join(',');
        const unguarded = (text: string) => text.replaceAll(/(^|;)'(?=[=+\-@＝＋－＠\t\r\n])/g, '$1');
        expect(parseCsvRow(row).map(unguarded)).toEqual(texts.map(unguarded));
      }),
    );
  });
});

/** One record of RFC 4180, independent of the code under test. */
function parseCsvRow(row: string): string[] {
  return [...`,${row}`.matchAll(/,(?:"((?:[^"]|"")*)"|([^,"]*))/g)].map(
    ([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? plain ?? '',
  );
}
