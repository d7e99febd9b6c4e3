import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { addressSchema, prefixSchema } from './address.js';
import { identifierSchema } from './identifier.js';
import { queryBoolean, queryDecimal, queryInteger, queryList, waitSchema } from './query-values.js';
import { labelsSchema } from './selector.js';
import {
  formatDate,
  formatMicroseconds,
  resolveTime,
  timeExpressionSchema,
  timestampSchema,
} from './time.js';

const NOW_MS = Date.parse('2026-01-31T12:00:00.5Z');
const resolved = (text: string) => {
  const micros = resolveTime(text, NOW_MS);
  return micros === null ? null : formatMicroseconds(micros);
};

describe('a time expression', () => {
  it.each([
    ['90s', '2026-01-31T11:58:30.500000Z'],
    ['15m', '2026-01-31T11:45:00.500000Z'],
    ['24h', '2026-01-30T12:00:00.500000Z'],
    ['7d', '2026-01-24T12:00:00.500000Z'],
    ['0s', '2026-01-31T12:00:00.500000Z'],
    ['2026-01-31T08:15:30Z', '2026-01-31T08:15:30.000000Z'],
    ['2026-01-31t08:15:30.1z', '2026-01-31T08:15:30.100000Z'],
    ['2026-01-31T08:15:30.123456789+02:00', '2026-01-31T06:15:30.123456Z'],
    ['2024-02-29T23:59:59-11:30', '2024-03-01T11:29:59.000000Z'],
  ])('%s is %s', (text, time) => {
    expect(resolved(text)).toBe(time);
    expect(timeExpressionSchema.safeParse(text).success).toBe(true);
  });

  it.each([
    '',
    'now',
    '1w',
    '-5m',
    '1.5h',
    '1h30m',
    '999999999d',
    '2026-01-31',
    '2026-01-31T08:15Z',
    '2026-01-31T08:15:30',
    '2026-02-30T00:00:00Z',
    '2026-13-01T00:00:00Z',
    '2026-01-31T24:00:00Z',
    '2026-01-31T08:15:60Z',
    '1969-12-31T23:59:59Z',
    '0000-01-01T00:00:00Z',
    ' 1h',
    '1h ',
  ])('is not %j', (text) => {
    expect(resolved(text)).toBeNull();
    expect(timeExpressionSchema.safeParse(text).success).toBe(false);
  });

  it('reads back what answers carry, to the microsecond', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 253_402_300_799_999_999n }), (micros) => {
        const text = formatMicroseconds(micros);
        expect(timestampSchema.safeParse(text).success).toBe(true);
        expect(resolveTime(text, 0)).toBe(micros);
      }),
    );
  });

  it('never throws', () => {
    fc.assert(fc.property(fc.string({ unit: 'grapheme' }), (text) => void resolveTime(text, NOW_MS)));
  });

  it('writes a Date with six digits', () => {
    expect(formatDate(new Date(NOW_MS))).toBe('2026-01-31T12:00:00.500000Z');
  });
});

describe('query values', () => {
  const accepts = (schema: z.ZodType, value: unknown) => {
    const result = schema.safeParse(value);
    return result.success ? result.data : 'refused';
  };

  it.each([
    ['1', 1],
    ['1000', 1_000],
    ['0', 'refused'],
    ['1001', 'refused'],
    ['', 'refused'],
    [' 1', 'refused'],
    ['1e2', 'refused'],
    ['0x10', 'refused'],
    ['1.0', 'refused'],
    [['1', '2'], 'refused'],
  ])('the integer %j is %j', (text, value) => expect(accepts(queryInteger(1, 1_000), text)).toBe(value));

  it.each([
    ['0.25', 0.25],
    ['20', 20],
    ['-1', 'refused'],
    ['.5', 'refused'],
    ['1e3', 'refused'],
    ['NaN', 'refused'],
    ['Infinity', 'refused'],
    ['', 'refused'],
  ])('the decimal %j is %j', (text, value) => expect(accepts(queryDecimal(0, 1_000), text)).toBe(value));

  it.each([
    ['true', true],
    ['false', false],
    ['1', 'refused'],
    ['', 'refused'],
  ])('the boolean %j is %j', (text, value) => expect(accepts(queryBoolean(), text)).toBe(value));

  it.each([
    ['a,b', ['a', 'b']],
    ['a', ['a']],
    ['a, b', ['a', 'b']],
    ['a,a', 'refused'],
    ['a,c', 'refused'],
    ['', 'refused'],
  ])('the list %j is %j', (text, value) =>
    expect(accepts(queryList(z.enum(['a', 'b'])), text)).toEqual(value),
  );

  it.each([
    ['30s', 30],
    ['0s', 0],
    ['60s', 60],
    ['61s', 'refused'],
    ['1m', 'refused'],
    ['30', 'refused'],
  ])('the wait %j is %j', (text, value) => expect(accepts(waitSchema, text)).toBe(value));

  it('are numbers and lists in a JSON schema, as callers see them', () => {
    const schema = z.strictObject({
      limit: queryInteger(1, 9).optional(),
      kinds: queryList(z.enum(['a'])).optional(),
    });
    expect(z.toJSONSchema(schema, { io: 'input' })).toMatchObject({
      properties: { limit: { type: 'integer', minimum: 1, maximum: 9 }, kinds: { type: 'array' } },
      additionalProperties: false,
    });
  });
});

describe('identifiers, addresses and labels', () => {
  it('are read as people write them', () => {
    expect(identifierSchema.parse('01890A5D-AC96-774B-BCCE-B302099A8057')).toBe(
      '01890a5d-ac96-774b-bcce-b302099a8057',
    );
    for (const address of ['192.0.2.7', '::1', '2001:db8::ff'])
      expect(addressSchema.safeParse(address).success).toBe(true);
    for (const address of ['192.0.2', 'example.com', '::1%eth0', '192.0.2.7/32'])
      expect(addressSchema.safeParse(address).success).toBe(false);
    for (const prefix of ['10.0.0.0/8', 'fd00::/8'])
      expect(prefixSchema.safeParse(prefix).success).toBe(true);
    for (const prefix of ['10.0.0.0', '10.0.0.0/33', 'fd00::/129'])
      expect(prefixSchema.safeParse(prefix).success).toBe(false);
  });

  it('follow the rules of Kubernetes', () => {
    const valid = [{ env: 'prod' }, { 'example.com/role': '' }, { a: 'A_b.c-9' }];
    const invalid = [
      { '-a': 'x' },
      { a: '-x' },
      { a: 'x'.repeat(64) },
      { 'a b': 'x' },
      { '': 'x' },
      { a: 'ü' },
    ];
    for (const labels of valid)
      expect(labelsSchema.safeParse(labels).success, JSON.stringify(labels)).toBe(true);
    for (const labels of invalid)
      expect(labelsSchema.safeParse(labels).success, JSON.stringify(labels)).toBe(false);
  });
});
