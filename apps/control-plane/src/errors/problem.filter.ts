import { type ArgumentsHost, Catch, type ExceptionFilter, Logger } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import type { ApiError } from './api-error.js';
import { toApiError } from './to-api-error.js';

/** Answers every error as application/problem+json (RFC 9457). */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  private readonly logger = new Logger(ProblemFilter.name);

  catch(error: unknown, host: ArgumentsHost): void {
    const reply = host.switchToHttp().getResponse<FastifyReply>();
    const apiError = toApiError(error);
    if (apiError.code === 'internal_error') this.logger.error(error, 'unexpected error');
    if (apiError.code === 'database_unavailable')
      this.logger.warn(`the database cannot be reached: ${messageOf(error)}`);
    // A streamed answer has already sent its headers: all that can be done is to break it off, so that nobody takes it for complete.
    if (reply.sent || reply.raw.headersSent) {
      reply.raw.destroy();
      return;
    }
    sendProblem(reply, apiError);
  }
}

export function sendProblem(reply: FastifyReply, error: ApiError): void {
  reply
    .status(error.status)
    .headers({ ...error.headers, 'content-type': 'application/problem+json' })
    .send(JSON.stringify(error.toProblem()));
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
