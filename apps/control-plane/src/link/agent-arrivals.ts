import { Injectable, Logger } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { AgentArrivalStore } from '../agents/agent-arrival.store.js';
import { AgentPresenceStore } from '../agents/agent-presence.store.js';
import { ChangeFeed } from '../change-feed/change-feed.js';
import { GrpcStatusError } from '../grpc/grpc-status.js';
import { SessionTargets } from '../trace-sessions/session-targets.js';
import { AgentCopies, refusal } from './agent-copies.js';
import type { AgentStream } from './agent-stream.js';
import type { Greeting } from './hello.js';
import { UnaskedSessions } from './unasked-sessions.js';

/** Agents come and go: what that changes in the database. */
@Injectable()
export class AgentArrivals {
  private readonly logger = new Logger('Link');

  constructor(
    private readonly database: DataSource,
    private readonly arrivals: AgentArrivalStore,
    private readonly presence: AgentPresenceStore,
    private readonly copies: AgentCopies,
    private readonly targets: SessionTargets,
    private readonly changes: ChangeFeed,
    private readonly unasked: UnaskedSessions,
  ) {}

  /**
   * From its commit on this stream speaks for the agent, on whichever replica an older one is. What comes back is the process that did so since the
   * agent's own did, if there is one.
   */
  async arrive(
    { agentId, linkId, publicKeyHash }: AgentStream,
    { arrival, held, protocolVersion }: Greeting,
  ): Promise<string | null> {
    const result = await this.database.transaction(async (manager) => {
      const result = await this.arrivals.arrive(manager, { ...arrival, agentId, linkId, publicKeyHash });
      if (result.kind === 'revoked') throw new GrpcStatusError('PERMISSION_DENIED', 'this agent was revoked');
      if (result.kind === 'unknown') {
        throw new GrpcStatusError(
          'PERMISSION_DENIED',
          'this agent is not known here; its certificate is from a control plane with another database, so enrol it again',
        );
      }
      if (result.kind === 'copy') {
        await this.copies.refused(manager, agentId, result);
        return result;
      }
      const { labels, newBoot } = result;
      const unasked = await this.targets.agentArrived(manager, { agentId, labels, newBoot, held });
      this.unasked.reported(agentId, unasked);
      await this.changes.announce(manager, [{ kind: 'agent', id: agentId }]);
      return result;
    });
    // Only now, so that what was written of it stays.
    if (result.kind === 'copy') throw refusal(result, protocolVersion);
    this.logger.log(`the agent ${agentId} (${arrival.hostname}) is connected`);
    return result.rivalBootId;
  }

  /** Without the database the agent counts as offline a little later, by its silence. */
  async leave({ agentId, linkId }: AgentStream, reason: GrpcStatusError | null): Promise<void> {
    this.logger.log(`the agent ${agentId} is gone${reason === null ? '' : ` (${reason.message})`}`);
    try {
      await this.presence.leave(agentId, linkId);
    } catch (error) {
      this.logger.debug(`the end of a stream was not written: ${String(error)}`);
    }
  }
}
