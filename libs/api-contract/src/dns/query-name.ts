import { z } from 'zod';
import { readDomainName } from './domain-name.js';

/** 255 bytes of a name, each as \DDD, and what is between labels. */
const LONGEST_TEXT = 1_004;

export type QueryNameReading = { readonly name: string } | { readonly error: string };

/**
 * A name in presentation format (RFC 1035 §5.1) as records hold it: lower case, without the final dot, bytes that are not printable ASCII
 * as \DDD, a dot or backslash within a label behind a backslash, and the root as a dot. Any case, any escapes and international letters are
 * accepted. Labels may be longer than on the wire: an agent's policy may have put a hash in their place.
 */
export function readQueryName(text: string): QueryNameReading {
  if (text.length > LONGEST_TEXT)
    return { error: `has ${text.length} characters, at most ${LONGEST_TEXT} are allowed` };
  if (!/^[\0-\u007f]*$/.test(text)) {
    if (!text.includes('\\')) return readDomainName(text);
    return { error: 'has both escapes and letters beyond ASCII; write all of those as \\DDD' };
  }
  const labels = readLabels(text);
  if (labels === null)
    return { error: 'has a backslash without a character, or without a number up to 255, behind it' };
  if (labels.length > 1 && labels.at(-1) === '') labels.pop();
  if (labels.length === 1 && labels[0] === '')
    return text === '.' ? { name: '.' } : { error: 'expected a name such as www.example.com' };
  if (labels.includes('')) return { error: 'has an empty label: two dots in a row, or one at the beginning' };
  return { name: labels.join('.') };
}

/** Each label with its bytes escaped as records have them; null if an escape is incomplete. */
function readLabels(text: string): string[] | null {
  const labels = [''];
  for (const [token] of text.matchAll(/\\\d{1,3}|\\\D|./gs)) {
    if (token === '.') {
      labels.push('');
      continue;
    }
    const byte = byteOf(token);
    if (byte === null) return null;
    labels[labels.length - 1] += escapeByte(byte);
  }
  return labels;
}

function byteOf(token: string): number | null {
  if (!token.startsWith('\\')) return token.charCodeAt(0);
  const rest = token.slice(1);
  if (!/^\d/.test(rest)) return rest === '' ? null : rest.charCodeAt(0);
  return rest.length === 3 && Number(rest) <= 255 ? Number(rest) : null;
}

function escapeByte(byte: number): string {
  const character = String.fromCharCode(byte);
  if (character === '.' || character === '\\') return `\\${character}`;
  if (byte > 0x20 && byte < 0x7f) return character.toLowerCase();
  return `\\${String(byte).padStart(3, '0')}`;
}

/** Reads {@link readQueryName}'s names in a query string. */
export const queryNameSchema = z
  .string()
  .transform((text, context) => {
    const reading = readQueryName(text);
    if ('name' in reading) return reading.name;
    context.addIssue(reading.error);
    return z.NEVER;
  })
  .pipe(z.string())
  .meta({
    description:
      'Name in presentation format (RFC 1035 §5.1). Any case, with or without the final dot, with escapes (`\\032`, `\\.`) or international letters.',
    example: 'www.example.com',
  });
