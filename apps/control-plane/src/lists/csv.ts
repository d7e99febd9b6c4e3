import { z } from 'zod';
import { unwrap } from '../http/field-errors.js';

/** One column: its heading (`local.address`) and the way to its value. */
export interface CsvColumn {
  readonly heading: string;
  readonly path: readonly string[];
}

/** The columns of an item's schema: nested objects are spread out, lists and maps are one column. */
export function csvColumns(schema: z.core.$ZodType, path: readonly string[] = []): CsvColumn[] {
  const inner = unwrap(schema);
  if (inner instanceof z.ZodObject) {
    return Object.entries(inner.shape).flatMap(([key, field]) => csvColumns(field, [...path, key]));
  }
  return [{ heading: path.join('.'), path }];
}

export function csvHeader(columns: readonly CsvColumn[]): string {
  return `${columns.map(({ heading }) => csvCell(heading)).join(',')}\r\n`;
}

export function csvRow(columns: readonly CsvColumn[], item: unknown): string {
  return `${columns.map(({ path }) => csvCell(valueAt(item, path))).join(',')}\r\n`;
}

/**
 * A cell as in RFC 4180. Process names and hostnames come from strangers, and a spreadsheet runs a text that begins with = + - @ or a
 * tab as a formula, so such texts get an apostrophe in front (OWASP, CSV injection); so do parts after a semicolon, at which spreadsheets
 * of many countries begin a new cell. Control characters, which a terminal would obey, are written as \u001b. Numbers stay as they are.
 */
export function csvCell(value: unknown): string {
  if (value === null || value === undefined) return '';
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  const text = cellText(value);
  const guarded = text
    .replaceAll(/(^|;)(?=[=+\-@＝＋－＠\t\r\n])/g, "$1'")
    // biome-ignore lint/suspicious/noControlCharactersInRegex: it is these that are taken out
    .replaceAll(/[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]/g, escapeControl);
  return /[",\r\n]/.test(guarded) ? `"${guarded.replaceAll('"', '""')}"` : guarded;
}

function escapeControl(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

function cellText(value: unknown): string {
  if (typeof value === 'string') return value;
  if (Array.isArray(value) && value.every((part) => typeof part === 'string' || typeof part === 'number'))
    return value.join(';');
  return JSON.stringify(value);
}

function valueAt(item: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (current, key) =>
      typeof current === 'object' && current !== null ? Reflect.get(current, key) : undefined,
    item,
  );
}
