import { isIP } from 'node:net';
import { z } from 'zod';

/** Where to listen. Port 0 takes any free port. */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

/** `HOST:PORT`, `[IPv6]:PORT` or `:PORT` (all addresses). */
export const listenAddressSchema = z.string().transform((text, context): ListenAddress => {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([^:[\]\s]*)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (!match || port > 65_535) {
    context.addIssue('expected HOST:PORT with a port from 0 to 65535');
    return z.NEVER;
  }
  return { host: match[1] ?? (match[2] || '::'), port };
});

export function formatListenAddress({ host, port }: ListenAddress): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Host names and addresses, separated by commas. */
export const hostNamesSchema = z.string().transform((text, context): readonly string[] => {
  const names = text.split(',').map((name) => name.trim());
  const wrong = names.find(
    (name) => isIP(name) === 0 && !/^(\*\.)?[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$/.test(name),
  );
  if (wrong === undefined) return names;
  context.addIssue(`expected host names or addresses separated by commas, found ${JSON.stringify(wrong)}`);
  return z.NEVER;
});

/** Addresses and prefixes, separated by commas; `none` for none. */
export const addressListSchema = z.string().transform((text, context): readonly string[] => {
  if (text === 'none') return [];
  const addresses = text.split(',').map((address) => address.trim());
  const wrong = addresses.find((address) => !isAddressOrPrefix(address));
  if (wrong === undefined) return addresses;
  context.addIssue(
    `expected addresses or prefixes such as 10.0.0.0/8 separated by commas, or none; found ${JSON.stringify(wrong)}`,
  );
  return z.NEVER;
});

function isAddressOrPrefix(text: string): boolean {
  const [address = '', length, ...more] = text.split('/');
  const family = isIP(address);
  if (family === 0 || more.length > 0) return false;
  return length === undefined || (/^\d{1,3}$/.test(length) && Number(length) <= (family === 4 ? 32 : 128));
}

export function integerSchema(minimum: number, maximum: number) {
  const message = `expected an integer from ${minimum} to ${maximum}`;
  return z
    .string()
    .regex(/^\d{1,15}$/, message)
    .transform(Number)
    .refine((value) => value >= minimum && value <= maximum, message);
}

export const booleanSchema = z
  .enum(['true', 'false'], 'expected true or false')
  .transform((text) => text === 'true');

const SECONDS_OF_UNIT: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 };

/** A length of time such as `90s`, `15m`, `24h` or `7d`, in seconds. */
export function durationSecondsSchema(minimumSeconds: number, maximumSeconds: number) {
  return z.string().transform((text, context) => {
    const match = /^(\d{1,9})([smhd])$/.exec(text);
    const seconds = Number(match?.[1]) * (SECONDS_OF_UNIT[match?.[2] ?? ''] ?? Number.NaN);
    if (seconds >= minimumSeconds && seconds <= maximumSeconds) return seconds;
    context.addIssue(
      `expected a length of time such as 90s, 15m, 24h or 7d, from ${minimumSeconds}s to ${maximumSeconds}s`,
    );
    return z.NEVER;
  });
}

export const postgresUrlSchema = z
  .string()
  .refine((text) => URL.canParse(text) && /^postgres(ql)?:$/.test(new URL(text).protocol), {
    error: 'expected a URL that begins with postgres:// or postgresql://',
  });
