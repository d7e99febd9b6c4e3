import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { lookupNameLabels, queryNameLabels } from './name-labels.js';
import { reportedName } from './name-policy.js';

const queryName = (bytes: Buffer) => reportedName({ kind: 'full' }, queryNameLabels(bytes, 0, bytes.length));
const lookupName = (bytes: Buffer) =>
  reportedName({ kind: 'full' }, lookupNameLabels(bytes, 0, bytes.length));

const wire = (labels: readonly Uint8Array[]) =>
  Buffer.concat([...labels.flatMap((label) => [Buffer.of(label.length), label]), Buffer.of(0)]);

const anyLabel = fc.uint8Array({ minLength: 1, maxLength: 63 });
/** RFC 1035 §2.3.4: 255 bytes at most, length bytes and the root's included. */
const labels = fc.array(anyLabel, { maxLength: 40 }).map((list) => {
  let bytes = 1;
  return list.filter((label) => {
    bytes += 1 + label.length;
    return bytes <= 255;
  });
});

/** The labels of presentation format, read character by character as RFC 1035 §5.1 says. */
function parse(text: string): Buffer[] {
  if (text === '.') return [];
  const parsed: number[][] = [[]];
  for (let at = 0; at < text.length; at++) {
    const label = parsed.at(-1) as number[];
    const decimal = /^\\(\d{3})/.exec(text.slice(at, at + 4))?.[1];
    if (text[at] === '.') {
      parsed.push([]);
    } else if (decimal !== undefined) {
      label.push(Number(decimal));
      at += 3;
    } else {
      if (text[at] === '\\') at++;
      label.push(text.charCodeAt(at));
    }
  }
  return parsed.map((label) => Buffer.from(label));
}

const lower = (label: Uint8Array) =>
  Buffer.from(label.map((byte) => (byte >= 0x41 && byte <= 0x5a ? byte + 32 : byte)));

describe('a query name', () => {
  it.each([
    ['\x03www\x07Example\x03COM\x00', 'www.example.com'],
    ['\x00', '.'],
    ['\x04a.b\\\x00', 'a\\.b\\\\'],
    ['\x05_dns \x00', '_dns\\032'],
    ['\x02\x00\xff\x00', '\\000\\255'],
    // Without the root's length byte.
    ['\x01a', 'a'],
  ])('of wire form %j is %j', (bytes, text) => {
    expect(queryName(Buffer.from(bytes, 'latin1'))).toBe(text);
  });

  it('says in lower case what was asked, and nothing else: it can be read back', () => {
    fc.assert(
      fc.property(labels, (list) => {
        expect(parse(queryName(wire(list)))).toEqual(list.map(lower));
      }),
      { numRuns: 500 },
    );
  });

  it.each([
    ['a pointer', '\x01a\xc0\x0c', 'a.\\192\\012'],
    ['a length beyond the end', '\x01a\x05bc', 'a.\\005bc'],
    ['a label of more than 63 bytes', `@${'x'.repeat(64)}`, `@${'x'.repeat(64)}`],
    ['what follows the root', '\x01a\x00\x01b', 'a'],
  ])('shows %s without believing it', (_what, bytes, text) => {
    expect(queryName(Buffer.from(bytes, 'latin1'))).toBe(text);
  });

  it('is 1–1004 characters of printable ASCII, whatever the bytes are', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ minLength: 1, maxLength: 255 }),
      fc.uint8Array({ minLength: 255, maxLength: 255, min: 0x80 }),
      labels.map(wire),
    );
    fc.assert(
      fc.property(bytes, (any) => {
        expect(queryName(Buffer.from(any))).toMatch(/^[!-@[-~]{1,1004}$/);
      }),
      { numRuns: 1000 },
    );
    expect(queryName(wire([63, 63, 63, 61].map((length) => new Uint8Array(length))))).toHaveLength(1003);
  });

  it('is read within its bounds alone', () => {
    const around = Buffer.concat([Buffer.from('xx'), wire([Buffer.from('a')]), Buffer.from('\x01b\x00')]);
    expect(queryNameLabels(around, 2, 5)).toEqual(['a']);
    expect(queryNameLabels(around, 2, 3)).toEqual(['\\001']);
  });
});

describe('a name given to getaddrinfo()', () => {
  it.each([
    ['WWW.Example.com.', 'www.example.com'],
    ['localhost', 'localhost'],
    ['.', '.'],
    ['..', '.'],
    ['a\\b c', 'a\\\\b c'],
    ['fe80::1%eth0', 'fe80::1%eth0'],
    [Buffer.from('bücher.de').toString('latin1'), 'b\\195\\188cher.de'],
  ])('%j is %j', (bytes, text) => {
    expect(lookupName(Buffer.from(bytes, 'latin1'))).toBe(text);
  });

  it('is 1–1020 characters of printable ASCII, whatever the bytes are', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 255, min: 1 }), (bytes) => {
        expect(lookupName(Buffer.from(bytes))).toMatch(/^[ -@[-~]{1,1020}$/);
      }),
    );
    expect(lookupName(Buffer.alloc(255, 0xff))).toHaveLength(1020);
  });
});
