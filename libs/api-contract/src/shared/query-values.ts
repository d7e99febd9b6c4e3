import { z } from 'zod';
import { portSchema } from './address.js';

// Query strings carry text only. z.coerce would read '' as 0, '0x10' as 16 and 'no' as true, so the text is checked first.

/** An integer in a query string. */
export function queryInteger(minimum: number, maximum: number) {
  const message = `expected an integer from ${minimum} to ${maximum}`;
  return z.preprocess(
    (value) => (typeof value === 'string' && /^-?\d{1,16}$/.test(value) ? Number(value) : value),
    z.int(message).min(minimum, message).max(maximum, message),
  );
}

/** A decimal number in a query string, without an exponent. */
export function queryDecimal(minimum: number, maximum: number) {
  const message = `expected a decimal number from ${minimum} to ${maximum}`;
  return z.preprocess(
    (value) => (typeof value === 'string' && /^-?\d{1,15}(\.\d{1,9})?$/.test(value) ? Number(value) : value),
    z.number(message).min(minimum, message).max(maximum, message),
  );
}

/** `true` or `false` in a query string. */
export function queryBoolean() {
  return z.preprocess(
    (value) => (value === 'true' ? true : value === 'false' ? false : value),
    z.boolean('expected true or false'),
  );
}

/** Several values in one parameter, separated by commas: `a,b`. At least one, at most `maximum`, none twice. */
export function queryList<T extends z.ZodType>(item: T, maximum = 100) {
  return z.preprocess(
    (value) => (typeof value === 'string' ? value.split(',').map((part) => part.trim()) : value),
    z
      .array(item)
      .min(1)
      .max(maximum)
      .refine((values) => new Set(values).size === values.length, 'the same value is given twice')
      .meta({ description: 'One or more values, separated by commas.' }),
  );
}

/** A port from 0 to 65535 in a query string. */
export function queryPort() {
  return z.preprocess(
    (value) => (typeof value === 'string' && /^\d{1,5}$/.test(value) ? Number(value) : value),
    portSchema,
  );
}

/** A latency in milliseconds with decimals, as in `minLatencyMs=0.25`. At most an hour. */
export const queryMillisecondsSchema = queryDecimal(0, 3_600_000);

/** How long to wait for a state, as in `?wait=30s`. In seconds, at most 60. */
export const waitSchema = z
  .string()
  .regex(/^(?:[1-5]?\d|60)s$/, 'expected a number of seconds from 0s to 60s, such as 30s')
  .transform((text) => Number(text.slice(0, -1)))
  .meta({ description: 'How long to wait before answering, at most `60s`.', example: '30s' });
