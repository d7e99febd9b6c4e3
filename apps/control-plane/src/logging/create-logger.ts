import { type DestinationStream, type Logger, pino } from 'pino';
import type { Configuration } from '../config/configuration.js';

const REDACTED = ['authorization', 'token', 'secret', 'password', 'joinToken', 'databaseUrl'];

/** JSON lines on stdout, or for people if stdout is a terminal. */
export function createLogger(
  { logLevel }: Pick<Configuration, 'logLevel'>,
  destination?: DestinationStream,
): Logger {
  const options = {
    level: logLevel,
    base: undefined,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: { paths: REDACTED.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]), censor: '[redacted]' },
  };
  if (destination) return pino(options, destination);
  if (!process.stdout.isTTY) return pino(options);
  // A transport runs in a worker, to which the level formatter cannot be handed.
  const { formatters: _formatters, ...transportable } = options;
  return pino({
    ...transportable,
    transport: { target: 'pino-pretty', options: { ignore: 'pid,hostname' } },
  });
}
