import { z } from 'zod';

const RELATIVE = /^(\d{1,9})(s|m|h|d)$/;
const ABSOLUTE = /^(\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?([Zz]|[+-]\d{2}:\d{2})$/;
// A hundred years: beyond it the result would leave what dates can hold.
const LONGEST_RELATIVE_SECONDS = 3_155_760_000;
const SECONDS_OF_UNIT: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 };

/** A time as answers carry it: UTC, RFC 3339, always six digits of fraction. */
export const timestampSchema = z
  .string()
  .regex(/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z$/, 'expected RFC 3339 in UTC with microseconds')
  .meta({ description: 'UTC, RFC 3339 with microseconds.', example: '2026-01-31T08:15:30.123456Z' });

/** A time as questions carry it: RFC 3339, or a length of time before now. */
export const timeExpressionSchema = z
  .string()
  .refine((text) => resolveTime(text, 0) !== null, {
    error:
      'expected an RFC 3339 time such as 2026-01-31T08:15:30Z, or a length of time before now such as 90s, 15m, 24h or 7d',
  })
  .meta({
    description: 'RFC 3339, or a length of time before now: `90s`, `15m`, `24h`, `7d`.',
    example: '1h',
  });

/**
 * The moment that a time expression names, in microseconds since the Unix epoch, or null if it is not one.
 * Digits beyond microseconds are cut off; times before 1970 are refused. `nowMs` is what a relative expression counts back from.
 */
export function resolveTime(text: string, nowMs: number): bigint | null {
  const relative = RELATIVE.exec(text);
  if (relative) {
    const seconds = Number(relative[1]) * (SECONDS_OF_UNIT[relative[2] ?? ''] ?? 0);
    if (seconds > LONGEST_RELATIVE_SECONDS) return null;
    return BigInt(Math.round(nowMs * 1_000)) - BigInt(seconds) * 1_000_000n;
  }
  const absolute = ABSOLUTE.exec(text);
  if (!absolute) return null;
  const [, wholeSeconds = '', fraction = '', zone = ''] = absolute;
  // Date.parse takes 2026-02-31 for the 3rd of March; only a time that reads the same back is one.
  const local = Date.parse(`${wholeSeconds}Z`);
  const millis = Date.parse(`${wholeSeconds}${zone}`);
  if (Number.isNaN(millis) || Number.isNaN(local) || millis < 0) return null;
  if (new Date(local).toISOString().slice(0, 19) !== wholeSeconds.toUpperCase()) return null;
  return BigInt(millis) * 1_000n + BigInt(fraction.slice(0, 6).padEnd(6, '0'));
}

/** Microseconds since the Unix epoch as RFC 3339 in UTC with six digits of fraction. */
export function formatMicroseconds(micros: bigint): string {
  const fraction = ((micros % 1_000_000n) + 1_000_000n) % 1_000_000n;
  const seconds = (micros - fraction) / 1_000_000n;
  const date = new Date(Number(seconds) * 1_000).toISOString().slice(0, 19);
  return `${date}.${fraction.toString().padStart(6, '0')}Z`;
}

/** A Date (milliseconds) in the form that answers carry. */
export function formatDate(date: Date): string {
  return `${date.toISOString().slice(0, 23)}000Z`;
}
