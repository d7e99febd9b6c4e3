import { Injectable, Logger } from '@nestjs/common';
import { AgentPresenceStore } from '../agents/agent-presence.store.js';
import { GrpcStatusError } from '../grpc/grpc-status.js';
import { DesiredSessionsDistributor } from './desired-sessions-distributor.js';
import { StreamRegistry } from './stream-registry.js';

/** Compares the streams of this replica with what the database says of their agents. */
@Injectable()
export class StreamOwnership {
  private readonly logger = new Logger('Link');

  constructor(
    private readonly streams: StreamRegistry,
    private readonly presence: AgentPresenceStore,
    private readonly distributor: DesiredSessionsDistributor,
  ) {}

  /** All agents that are connected here. */
  reviewAll(): Promise<void> {
    return this.review(this.streams.agentIds());
  }

  /** Ends streams that no longer speak for their agent, and has the others told what they should be running. */
  async review(agentIds: readonly string[]): Promise<void> {
    const here = agentIds.filter((agentId) => this.streams.of(agentId) !== undefined);
    if (here.length === 0) return;
    try {
      for (const { agentId, linkId, revoked } of await this.presence.linkOwners(here)) {
        const stream = this.streams.of(agentId);
        if (revoked) stream?.end(new GrpcStatusError('PERMISSION_DENIED', 'this agent was revoked'));
        else if (stream !== undefined && linkId !== null && linkId !== stream.linkId) {
          stream.end(
            new GrpcStatusError('ABORTED', 'this agent has opened a newer stream to another replica'),
          );
        }
      }
    } catch (error) {
      this.logger.debug(`agents not read again: ${String(error)}`);
    }
    this.distributor.markStale(here);
  }
}
