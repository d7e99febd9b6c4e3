import type { FieldError } from '../errors/api-error.js';

/**
 * Texts with a character U+0000, which JSON and %00 can bring and Postgres can hold in no text and no jsonb: without this they would be
 * found out by the database, as an error of ours. https://www.postgresql.org/docs/current/datatype-character.html
 */
export function unstorableTexts(value: unknown, path = ''): FieldError[] {
  if (typeof value === 'string') {
    return value.includes('\0') ? [{ path, message: 'a text may not hold the character U+0000' }] : [];
  }
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) =>
    unstorableTexts(inner, path === '' ? key : `${path}.${key}`),
  );
}
