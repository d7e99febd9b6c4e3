import type { LoggerService } from '@nestjs/common';

// What the framework says about its own wiring at each start.
const FRAMEWORK_CONTEXTS: ReadonlySet<unknown> = new Set([
  'InstanceLoader',
  'NestApplication',
  'NestFactory',
  'RouterExplorer',
  'RoutesResolver',
]);

/**
 * Passes everything on, the framework's own lines as debug. Its errors are thrown too, and main tells them better: a port that is
 * taken is a sentence there.
 */
export function quietFramework(
  logger: Required<Pick<LoggerService, 'log' | 'error' | 'warn' | 'debug'>>,
): LoggerService {
  const write =
    (level: 'log' | 'error' | 'warn' | 'debug') =>
    (message: unknown, ...rest: unknown[]): void => {
      logger[FRAMEWORK_CONTEXTS.has(rest.at(-1)) ? 'debug' : level](message, ...rest);
    };
  return {
    log: write('log'),
    error: write('error'),
    warn: write('warn'),
    debug: write('debug'),
    fatal: write('error'),
  };
}
