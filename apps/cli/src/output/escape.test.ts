import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { escapeJson, escapeLines, escapeText } from './escape.js';

describe('text for a terminal', () => {
  it.each([
    ['\u001b[31mred', String.raw`\x1b[31mred`],
    ['\u009b31m', String.raw`\x9b31m`],
    ['a\u202eb\u2066c', String.raw`a\u{202e}b\u{2066}c`],
    ['line\nline\r', String.raw`line\x0aline\x0d`],
    ['\u200bhidden\u{e0041}', String.raw`\u{200b}hidden\u{e0041}`],
    ['half \ud83d', String.raw`half \u{d83d}`],
    ['Grüße, 世界 🙂', 'Grüße, 世界 🙂'],
  ])('shows %j as %j', (text, shown) => {
    expect(escapeText(text)).toBe(shown);
  });

  it('keeps the line ends of several lines', () => {
    expect(escapeLines('a\u001b\nb')).toBe('a\\x1b\nb');
  });

  it('as JSON means the same and holds nothing that steers a terminal', () => {
    fc.assert(
      fc.property(fc.jsonValue({ stringUnit: 'binary' }), (value) => {
        const escaped = escapeJson(`${JSON.stringify(value)}\n`);
        expect(JSON.stringify(JSON.parse(escaped))).toBe(JSON.stringify(value));
        expect(escaped).not.toMatch(/(?!\n)[\p{Cc}\p{Cf}\p{Cs}]/u);
      }),
    );
  });
});
