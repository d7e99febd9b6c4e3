import type { LoggerService } from '@nestjs/common';
import type { Logger } from 'pino';

type Level = 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace';

// What the framework says about its own wiring at each start. Its errors are thrown too, and the start explains them better.
const FRAMEWORK_CONTEXTS: ReadonlySet<string | undefined> = new Set([
  'InstanceLoader',
  'NestApplication',
  'NestFactory',
  'RouterExplorer',
  'RoutesResolver',
]);

/** Hands what Nest's Logger class is given to pino. */
export class NestLogger implements LoggerService {
  constructor(private readonly logger: Logger) {}

  log(message: unknown, ...rest: unknown[]): void {
    this.write('info', message, rest);
  }
  fatal(message: unknown, ...rest: unknown[]): void {
    this.write('fatal', message, rest);
  }
  error(message: unknown, ...rest: unknown[]): void {
    this.write('error', message, rest);
  }
  warn(message: unknown, ...rest: unknown[]): void {
    this.write('warn', message, rest);
  }
  debug(message: unknown, ...rest: unknown[]): void {
    this.write('debug', message, rest);
  }
  verbose(message: unknown, ...rest: unknown[]): void {
    this.write('trace', message, rest);
  }

  /** Nest passes the context (the name that the Logger was made with) last, and before it a stack or a text, if any. */
  private write(level: Level, message: unknown, rest: readonly unknown[]): void {
    const context = rest.length > 0 ? String(rest.at(-1)) : undefined;
    const extra = rest.slice(0, -1).find((value) => typeof value === 'string');
    const chosen = FRAMEWORK_CONTEXTS.has(context) ? 'debug' : level;
    if (message instanceof Error) this.logger[chosen]({ context, err: message }, extra ?? message.message);
    else if (typeof message === 'object') this.logger[chosen]({ context, ...message }, extra);
    else this.logger[chosen]({ context, ...(extra !== undefined && { stack: extra }) }, String(message));
  }
}
