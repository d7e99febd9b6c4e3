import { z } from 'zod';

/** RFC 1035 §2.3.4 allows 255 bytes on the wire, which is 253 characters of text. */
const LONGEST_NAME = 253;
const LONGEST_LABEL = 63;
/** No name of this length can become one of 253 bytes as A-labels; what is longer is not worth converting. */
const LONGEST_TEXT = 1_000;
/** What UTS #46 takes for a dot, at the end. */
const FINAL_DOT = /[.\u3002\uff0e\uff61]$/;

export type DomainNameReading = { readonly name: string } | { readonly error: string };

/**
 * A name as filters hold it: lower case, A-labels (RFC 5890), without the final dot; letters, digits, hyphens and underscores, as in
 * `_sip._tcp.example.com`. More than that can be asked for on the wire, but nobody means to filter by it.
 */
export function readDomainName(text: string): DomainNameReading {
  const given = text.trim().replace(FINAL_DOT, '');
  if (given === '')
    return { error: 'expected a domain name such as example.com; the root itself cannot be filtered by' };
  if (given.length > LONGEST_TEXT) return { error: tooLong(given.length) };
  const odd = oddCharacter(given);
  if (odd === '*') return { error: 'a name takes no wildcard; a suffix matches everything below it' };
  if (odd !== undefined) {
    return {
      error: `${JSON.stringify(odd)} does not belong in a domain name; expected letters, digits, hyphens, underscores and dots`,
    };
  }
  const name = toALabels(given);
  if (name === null || oddCharacter(name) !== undefined) {
    return { error: 'is not a valid internationalized domain name (UTS #46)' };
  }
  return checkLengths(name);
}

/** The first character of ASCII that names in filters are not made of. */
function oddCharacter(text: string): string | undefined {
  return [...text].find((character) => character < '\u0080' && !/[A-Za-z0-9._-]/.test(character));
}

function checkLengths(name: string): DomainNameReading {
  for (const label of name.split('.')) {
    if (label === '') return { error: 'has an empty label: two dots in a row, or one at the beginning' };
    if (label.length > LONGEST_LABEL) {
      return {
        error: `the label ${label.slice(0, 20)}… has ${label.length} bytes, at most ${LONGEST_LABEL} are allowed`,
      };
    }
  }
  return name.length > LONGEST_NAME ? { error: tooLong(name.length) } : { name };
}

function tooLong(length: number): string {
  return `has ${length} bytes, a domain name has at most ${LONGEST_NAME}`;
}

/** By the URL standard's "domain to ASCII", which is UTS #46 and the same in browsers and in Node. Null if it is not valid. */
function toALabels(name: string): string | null {
  if (/^[!-~]*$/.test(name)) return name.toLowerCase();
  try {
    // A name that ends in a number would be taken for an IPv4 address; one more label keeps it from that.
    return new URL(`http://${name}.a/`).hostname.slice(0, -'.a'.length);
  } catch {
    return null;
  }
}

/** A name in a filter: upper case, a final dot and international names are accepted and made into what is asked on the wire. */
export const domainNameSchema = z
  .string()
  .transform((text, context) => {
    const reading = readDomainName(text);
    if ('name' in reading) return reading.name;
    context.addIssue(reading.error);
    return z.NEVER;
  })
  .pipe(z.string())
  .meta({
    description:
      'Domain name, at most 253 bytes. Any case, with or without the final dot, also international.',
    example: 'example.com',
  });
