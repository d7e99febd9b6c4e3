import { randomUUID } from 'node:crypto';
import type { DynamicModule } from '@nestjs/common';
import { LoggerModule } from 'nestjs-pino';
import type { Logger as PinoLogger } from 'pino';

const PROBED_PATHS = new Set(['/healthz', '/readyz', '/metrics']);

/** Logs by pino. A successful request is debug, one that the caller got wrong is info, and only a fault of ours that a person must look at is an error. */
export function loggingModule(logger: PinoLogger): DynamicModule {
  return LoggerModule.forRoot({
    pinoHttp: {
      logger,
      genReqId: (_request, response) => {
        const id = randomUUID();
        response.setHeader('x-request-id', id);
        return id;
      },
      // No headers and no bodies: they hold tokens.
      serializers: {
        req: (request: { id: string; method: string; url: string; remoteAddress: string }) => ({
          id: request.id,
          method: request.method,
          url: request.url,
          remoteAddress: request.remoteAddress,
        }),
        res: (response: { statusCode: number }) => ({ statusCode: response.statusCode }),
      },
      autoLogging: { ignore: (request) => PROBED_PATHS.has(request.url ?? '') },
      customLogLevel: (_request, response) => (response.statusCode >= 400 ? 'info' : 'debug'),
      // The error is logged by the filter already.
      customErrorMessage: (request, response) => `${request.method} ${request.url} ${response.statusCode}`,
      customSuccessMessage: (request, response) => `${request.method} ${request.url} ${response.statusCode}`,
    },
  });
}
