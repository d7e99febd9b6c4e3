import { pino } from 'pino';

export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** What the agent's parts need of a logger. ERROR: a person must act now. */
export interface Log {
  error(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  info(fields: object, message: string): void;
  debug(fields: object, message: string): void;
}

/** JSON lines on standard output. */
export function createLog(level: LogLevel): Log {
  return pino({ level, base: { component: 'agent' }, timestamp: pino.stdTimeFunctions.isoTime });
}
