import { z } from 'zod';
import { queryList } from '../shared/query-values.js';
import { readDomainName } from './domain-name.js';

const LONGEST_TEXT = 1_020;

/**
 * The texts under which records of getaddrinfo() may hold a name: in lower case without the final dot, bytes that are not printable ASCII as
 * \DDD, a backslash as \\. An international name has two: applications pass it on as A-labels or as it is, in UTF-8.
 */
export function lookupNameForms(text: string): readonly string[] {
  const name = text.replace(/\.$/, '');
  const asGiven = escapeBytes(name);
  if (asGiven === name.toLowerCase()) return [asGiven];
  const reading = readDomainName(name);
  return 'name' in reading ? [reading.name, asGiven] : [asGiven];
}

/** Escapes that are there already stay. */
function escapeBytes(name: string): string {
  return name.replaceAll(/\\\d{3}|\\\\|[^ -[\]-~]|[A-Z]/gu, (part) => {
    if (part.length > 1 && part.startsWith('\\')) return part;
    if (/[A-Z]/.test(part)) return part.toLowerCase();
    return [...new TextEncoder().encode(part)].map(escapeByte).join('');
  });
}

function escapeByte(byte: number): string {
  return byte === 0x5c ? '\\\\' : `\\${String(byte).padStart(3, '0')}`;
}

/** Names in a query string, each in all of its forms. */
export const lookupNameListSchema = queryList(
  z.string().min(1, 'expected a name').max(LONGEST_TEXT, `at most ${LONGEST_TEXT} characters`),
  64,
).transform((names) => names.flatMap(lookupNameForms));
