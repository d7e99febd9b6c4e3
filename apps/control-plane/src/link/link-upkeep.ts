import { Injectable, Logger, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { SILENT_INTERVALS } from '../agent-liveness/agent-liveness.js';
import { AgentPresenceStore } from '../agents/agent-presence.store.js';
import { ChangeFeed } from '../change-feed/change-feed.js';
import { Configuration } from '../config/configuration.js';
import { GrpcStatusError } from '../grpc/grpc-status.js';
import { DesiredSessionsDistributor } from './desired-sessions-distributor.js';
import { SignsOfLife } from './signs-of-life.js';
import { StreamRegistry } from './stream-registry.js';

const TICK_MS = 1_000;
/** Ticks between two readings of everything, which repair hints that got lost. */
const TICKS_PER_SWEEP = 5;

/** Looks after the open streams: silence, expiry, revocation, takeover, leases, and hints of what changed. */
@Injectable()
export class LinkUpkeep implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly logger = new Logger('Link');
  private timer: NodeJS.Timeout | undefined;
  private ticks = 0;

  constructor(
    private readonly configuration: Configuration,
    private readonly streams: StreamRegistry,
    private readonly signs: SignsOfLife,
    private readonly distributor: DesiredSessionsDistributor,
    private readonly presence: AgentPresenceStore,
    private readonly changes: ChangeFeed,
  ) {}

  onApplicationBootstrap(): void {
    this.changes.subscribe({
      changed: ({ kind, id }) => {
        if (kind === 'session') void this.distributor.sessionChanged(id);
        else void this.agentsChanged([id]);
      },
      resync: () => void this.agentsChanged(this.streams.agentIds()),
    });
    this.timer = setInterval(() => this.tick(), TICK_MS).unref();
  }

  onModuleDestroy(): void {
    clearInterval(this.timer);
  }

  private tick(): void {
    const nowMs = Date.now();
    const intervalMs = this.configuration.agentHeartbeatSeconds * 1_000;
    for (const stream of this.streams.all()) {
      const overdue = stream.overdue(nowMs, intervalMs * SILENT_INTERVALS);
      if (overdue !== null) stream.end(overdue);
      else stream.keepAlive(nowMs, intervalMs);
    }
    void this.signs.flush();
    this.ticks++;
    if (this.ticks % TICKS_PER_SWEEP === 0) void this.agentsChanged(this.streams.agentIds());
  }

  /** Ends streams that no longer speak for their agent, and has the others told what they should be running. */
  private async agentsChanged(agentIds: readonly string[]): Promise<void> {
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
