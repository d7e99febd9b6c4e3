import { type DestinationStream, type Logger, type LoggerOptions, pino } from 'pino';
import type { Configuration } from '../config/configuration.js';
import { currentRequestId } from './request-logging.js';

const REDACTED = ['authorization', 'token', 'secret', 'password', 'joinToken', 'databaseUrl'];

/** JSON lines on stdout, or for people if stdout is a terminal. */
export function createLogger(
  { logLevel }: Pick<Configuration, 'logLevel'>,
  destination?: DestinationStream,
): Logger {
  const options: LoggerOptions = {
    level: logLevel,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    redact: {
      paths: REDACTED.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]),
      censor: '[redacted]',
    },
    mixin: () => {
      const requestId = currentRequestId();
      return requestId === undefined ? {} : { requestId };
    },
  };
  if (!destination && process.stdout.isTTY) return pino({ ...options, transport: { target: 'pino-pretty' } });
  const formatters = { level: (label: string) => ({ level: label }) };
  return destination ? pino({ ...options, formatters }, destination) : pino({ ...options, formatters });
}
