import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { escapedUtf8 } from './escaped-utf8.js';

describe('escapedUtf8', () => {
  it.each([
    ['plain', Buffer.from('nginx'), 'nginx'],
    ['UTF-8', Buffer.from('naïve😀'), 'naïve😀'],
    ['Latin-1', Buffer.from('caf\xe9', 'latin1'), 'caf\\xe9'],
    ['a sequence that is cut off', Buffer.from('😀').subarray(0, 3), '\\xf0\\x9f\\x98'],
    ['an overlong NUL', Buffer.of(0xc0, 0x80), '\\xc0\\x80'],
  ])('keeps what is valid and escapes the rest: %s', (_title, bytes, text) => {
    expect(escapedUtf8(bytes)).toBe(text);
  });

  it('always makes text that UTF-8 can carry', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 16 }), (bytes) => {
        expect(escapedUtf8(Buffer.from(bytes)).isWellFormed()).toBe(true);
      }),
    );
  });
});
