import { Injectable, Logger } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { AgentPresenceStore } from '../agents/agent-presence.store.js';
import { ChangeFeed } from '../change-feed/change-feed.js';
import { GrpcStatusError } from '../grpc/grpc-status.js';
import { SessionTargets } from '../trace-sessions/session-targets.js';
import type { AgentStream } from './agent-stream.js';
import type { Greeting } from './hello.js';

/** Agents come and go: what that changes in the database. */
@Injectable()
export class AgentArrivals {
  private readonly logger = new Logger('Link');

  constructor(
    private readonly database: DataSource,
    private readonly presence: AgentPresenceStore,
    private readonly targets: SessionTargets,
    private readonly changes: ChangeFeed,
  ) {}

  /** From its commit on this stream speaks for the agent, on whichever replica an older one is. */
  async arrive({ agentId, linkId }: AgentStream, { arrival, held }: Greeting): Promise<void> {
    await this.database.transaction(async (manager) => {
      const result = await this.presence.arrive(manager, { ...arrival, agentId, linkId });
      if (result.kind === 'revoked') throw new GrpcStatusError('PERMISSION_DENIED', 'this agent was revoked');
      if (result.kind === 'unknown') {
        throw new GrpcStatusError(
          'PERMISSION_DENIED',
          'this agent is not known here; its certificate is from a control plane with another database, so enrol it again',
        );
      }
      const { labels, newBoot } = result;
      await this.targets.agentArrived(manager, { agentId, labels, newBoot, held });
      await this.changes.announce(manager, [{ kind: 'agent', id: agentId }]);
    });
    this.logger.log(`the agent ${agentId} (${arrival.hostname}) is connected`);
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
