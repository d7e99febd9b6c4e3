import { setTimeout as delay } from 'node:timers/promises';
import { Injectable, Logger } from '@nestjs/common';
import type { AgentCost } from '@synscope/api-contract';
import type { Certificate } from '@synscope/protocol';
import { Configuration } from '../config/configuration.js';
import { isDatabaseUnavailable } from '../database/database-unavailable.js';
import { GrpcStatusError } from '../grpc/grpc-status.js';
import { uuidToBytes } from '../grpc/uuid-bytes.js';
import { BatchRefusedError } from '../ingest/batch-refused.error.js';
import { IngestService } from '../ingest/ingest.service.js';
import { IngestStoppedError } from '../ingest/ingest-stopped.error.js';
import { type ReportedStatus, SessionTargets } from '../trace-sessions/session-targets.js';
import { AgentArrivals } from './agent-arrivals.js';
import type { AgentStream } from './agent-stream.js';
import { CertificateRenewal } from './certificate-renewal.js';
import type { Greeting } from './hello.js';
import { SignsOfLife } from './signs-of-life.js';
import type { Arrived, BatchSink, StreamDuties } from './stream-duties.js';
import { StreamRegistry } from './stream-registry.js';

/** Between two attempts while the database is away. Milliseconds. */
const RETRY_INTERVAL_MS = 500;

/** What the streams of agents ask for, from the features that know it. */
@Injectable()
export class LinkService implements StreamDuties {
  readonly batches: BatchSink;
  private readonly logger = new Logger('Link');

  constructor(
    private readonly configuration: Configuration,
    private readonly streams: StreamRegistry,
    private readonly arrivals: AgentArrivals,
    private readonly targets: SessionTargets,
    private readonly renewal: CertificateRenewal,
    private readonly signs: SignsOfLife,
    ingest: IngestService,
  ) {
    this.batches = ingest;
  }

  async arrive(stream: AgentStream, greeting: Greeting): Promise<Arrived> {
    await this.arrivals.arrive(stream, greeting);
    if (!stream.hasEnded) this.streams.arrived(stream);
    const desired = (await this.targets.desiredOf([stream.agentId])).get(stream.agentId);
    const { agentHeartbeatSeconds, agentLeaseSeconds } = this.configuration;
    return {
      welcome: {
        agentId: uuidToBytes(stream.agentId),
        heartbeatIntervalMs: agentHeartbeatSeconds * 1_000,
        leaseMs: agentLeaseSeconds * 1_000,
        serverTimeUs: BigInt(Date.now()) * 1_000n,
      },
      desired: desired ?? { revision: 0n, sessions: [] },
    };
  }

  alive({ agentId, linkId }: AgentStream, sentAtUs: bigint, cost: AgentCost | null): void {
    const offset = sentAtUs - BigInt(Date.now()) * 1_000n;
    const plausible = offset >= BigInt(Number.MIN_SAFE_INTEGER) && offset <= BigInt(Number.MAX_SAFE_INTEGER);
    this.signs.add({ agentId, linkId, clockOffsetUs: plausible ? Number(offset) : null, cost });
  }

  report(stream: AgentStream, status: ReportedStatus): Promise<void> {
    return this.untilDatabaseAnswers(stream, () => this.targets.statusesReported(stream.agentId, [status]));
  }

  async renew(stream: AgentStream, signingRequest: Uint8Array): Promise<Certificate> {
    return this.untilDatabaseAnswers(stream, () => this.renewal.renew(stream.agentId, signingRequest));
  }

  toStatus(error: unknown, { agentId }: AgentStream): GrpcStatusError {
    if (error instanceof GrpcStatusError) return error;
    if (error instanceof BatchRefusedError)
      return new GrpcStatusError('INVALID_ARGUMENT', `batch: ${error.message}`);
    if (error instanceof IngestStoppedError) return new GrpcStatusError('UNAVAILABLE', error.message);
    if (isDatabaseUnavailable(error)) {
      return new GrpcStatusError('UNAVAILABLE', 'the database cannot be reached at the moment; reconnect');
    }
    if (isDisconnect(error)) return new GrpcStatusError('CANCELLED', 'the connection was lost');
    this.logger.error(error, `unexpected error on the stream of the agent ${agentId}`);
    return new GrpcStatusError(
      'INTERNAL',
      'an unexpected error occurred; the log of the control plane has it',
    );
  }

  /** The stream is not read meanwhile. */
  private async untilDatabaseAnswers<T>(stream: AgentStream, work: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await work();
      } catch (error) {
        if (!isDatabaseUnavailable(error) || stream.hasEnded) throw error;
        await delay(RETRY_INTERVAL_MS);
      }
    }
  }
}

/** What the iterator of a stream throws when the other side has vanished. */
function isDisconnect(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ERR_STREAM_PREMATURE_CLOSE';
}
