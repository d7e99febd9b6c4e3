import { Injectable, Logger } from '@nestjs/common';
import { isDatabaseUnavailable } from '../database/database-unavailable.js';
import { isLockConflict } from '../database/lock-conflict.js';
import { GrpcStatusError } from '../grpc/grpc-status.js';
import { BatchRefusedError } from '../ingest/batch-refused.error.js';
import { IngestService } from '../ingest/ingest.service.js';
import { IngestStoppedError } from '../ingest/ingest-stopped.error.js';
import { AgentReports } from './agent-reports.js';
import type { AgentStream } from './agent-stream.js';
import { AgentWelcome } from './agent-welcome.js';
import type { BatchSink, StreamDuties } from './stream-duties.js';

/** Everything that streams need, in one hand. */
@Injectable()
export class LinkDuties implements StreamDuties {
  readonly batches: BatchSink;
  private readonly logger = new Logger('Link');

  constructor(
    readonly welcome: AgentWelcome,
    readonly reports: AgentReports,
    ingest: IngestService,
  ) {
    this.batches = ingest;
  }

  toStatus(error: unknown, { agentId }: AgentStream): GrpcStatusError {
    if (error instanceof GrpcStatusError) return error;
    if (error instanceof BatchRefusedError) {
      return new GrpcStatusError('INVALID_ARGUMENT', `batch: ${error.message}`);
    }
    if (error instanceof IngestStoppedError) return new GrpcStatusError('UNAVAILABLE', error.message);
    if (isDatabaseUnavailable(error)) {
      return new GrpcStatusError('UNAVAILABLE', 'the database cannot be reached at the moment; reconnect');
    }
    if (isLockConflict(error)) return new GrpcStatusError('UNAVAILABLE', 'the database was busy; reconnect');
    if (isDisconnect(error)) return new GrpcStatusError('CANCELLED', 'the connection was lost');
    this.logger.error(error, `unexpected error on the stream of the agent ${agentId}`);
    return new GrpcStatusError(
      'INTERNAL',
      'an unexpected error occurred; the log of the control plane has it',
    );
  }
}

/** What the iterator of a stream throws when the other side has vanished. */
function isDisconnect(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ERR_STREAM_PREMATURE_CLOSE';
}
