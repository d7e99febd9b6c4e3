import { domainToASCII } from 'node:url';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readDomainName } from './domain-name.js';
import { lookupNameForms } from './lookup-name.js';
import { readQueryName } from './query-name.js';
import { queryClasses, queryTypes } from './query-types.js';
import { responseCodes } from './response-codes.js';

describe('a domain name in a filter', () => {
  it.each([
    ['example.com', 'example.com'],
    ['EXAMPLE.com.', 'example.com'],
    ['_sip._tcp.example.com', '_sip._tcp.example.com'],
    ['-odd-.example', '-odd-.example'],
    ['Bücher.Example。', 'xn--bcher-kva.example'],
    ['straße.de', 'xn--strae-oqa.de'],
    ['ü.7', 'xn--tda.7'],
    ['مثال.إختبار', 'xn--mgbh0fb.xn--kgbechtv'],
    [`${'a'.repeat(63)}.b`, `${'a'.repeat(63)}.b`],
    [`${'a.'.repeat(126)}b`, `${'a.'.repeat(126)}b`],
  ])('%s is read as %s', (text, name) => {
    expect(readDomainName(text)).toEqual({ name });
  });

  it.each([
    ['', /expected a domain name/],
    ['.', /the root/],
    ['a..b', /empty label/],
    ['.a', /empty label/],
    ['a/b', /"\/" does not belong/],
    ['ü@b', /"@" does not belong/],
    ['a\u001bb', /"\\u001b" does not belong/],
    ['*.example.com', /no wildcard/],
    ['℀.example', /not a valid internationalized/],
    ['ü！.example', /not a valid internationalized/],
    [`${'ü'.repeat(60)}.example`, /has \d+ bytes, at most 63/],
    ['a'.repeat(2_000), /has 2000 bytes, a domain name has at most 253/],
  ])('%j is refused with the reason', (text, reason) => {
    expect(readDomainName(text)).toEqual({ error: expect.stringMatching(reason) });
  });

  it('becomes A-labels as Node makes them', () => {
    const label = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(label, (text) => {
        const reading = readDomainName(`${text}.example`);
        if ('error' in reading) return;
        // Node does not take what has characters of ASCII beyond those of a URL's host, which the reading refuses too.
        expect(reading.name).toBe(domainToASCII(`${text.trim()}.example`));
      }),
    );
  });
});

describe('a name in presentation format', () => {
  it.each([
    ['WWW.Example.com.', 'www.example.com'],
    ['.', '.'],
    [String.raw`a\.b.example`, String.raw`a\.b.example`],
    [String.raw`a\046b.example.`, String.raw`a\.b.example`],
    [String.raw`\097\092.example`, String.raw`a\\.example`],
    [String.raw`a\.`, String.raw`a\.`],
    ['a b', String.raw`a\032b`],
    ['a\u001bb', String.raw`a\027b`],
    [String.raw`\"\;=x`, '";=x'],
    ['bücher.example', 'xn--bcher-kva.example'],
    ['f'.repeat(64), 'f'.repeat(64)],
  ])('%j is read as %j', (text, name) => {
    expect(readQueryName(text)).toEqual({ name });
  });

  it.each([
    ['', /expected a name/],
    ['a..b', /empty label/],
    ['a\\', /backslash/],
    [String.raw`a\25x`, /backslash/],
    [String.raw`a\256`, /backslash/],
    [String.raw`ü\.b`, /both escapes and letters/],
    ['a'.repeat(1_005), /at most 1004/],
  ])('%j is refused with the reason', (text, reason) => {
    expect(readQueryName(text)).toEqual({ error: expect.stringMatching(reason) });
  });

  it('is the same when it is read again, whatever bytes it holds', () => {
    const label = fc.uint8Array({ minLength: 1, maxLength: 63 });
    fc.assert(
      fc.property(fc.array(label, { minLength: 1, maxLength: 4 }), (labels) => {
        const escaped = labels.map((bytes) =>
          [...bytes].map((byte) => `\\${String(byte).padStart(3, '0')}`).join(''),
        );
        const reading = readQueryName(escaped.join('.'));
        if ('error' in reading) throw new Error(reading.error);
        expect(reading.name).toMatch(/^[!-~]+$/);
        expect(readQueryName(reading.name)).toEqual(reading);
      }),
    );
  });
});

describe('a name that an application looked up', () => {
  it.each([
    ['WWW.example.com.', ['www.example.com']],
    ['my host', ['my host']],
    ['Bücher.example', ['xn--bcher-kva.example', String.raw`b\195\188cher.example`]],
    [String.raw`b\195\188cher`, [String.raw`b\195\188cher`]],
    ['a\u001bb', [String.raw`a\027b`]],
    ['a\\b', [String.raw`a\\b`]],
  ])('%j is looked for as %j', (text, forms) => {
    expect(lookupNameForms(text)).toEqual(forms);
  });
});

describe('the registries of DNS', () => {
  it.each([queryTypes, queryClasses, responseCodes])('read back every number by its name', (names) => {
    for (let number = 0; number <= 4_095; number++) {
      expect(names.numberOf(names.nameOf(number).toLowerCase())).toBe(number);
    }
  });

  it('name what the IANA has named, and number the rest', () => {
    expect([1, 28, 65, 255, 65_280].map((number) => queryTypes.nameOf(number))).toEqual([
      'A',
      'AAAA',
      'HTTPS',
      'ANY',
      'TYPE65280',
    ]);
    expect([0, 3, 16, 24].map((number) => responseCodes.nameOf(number))).toEqual([
      'NOERROR',
      'NXDOMAIN',
      'BADVERS',
      'RCODE24',
    ]);
    for (const text of ['', 'TYPE', 'TYPE65536', 'TYPE-1', 'toString', 'AAAAA', '28'])
      expect(queryTypes.numberOf(text), text).toBeNull();
  });
});
