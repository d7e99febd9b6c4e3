import { Injectable } from '@nestjs/common';
import { Configuration } from '../config/configuration.js';
import { FleetClock } from '../fleet-clock/fleet-clock.js';
import { uuidToBytes } from '../grpc/uuid-bytes.js';
import { SessionTargets } from '../trace-sessions/session-targets.js';
import { AgentArrivals } from './agent-arrivals.js';
import type { AgentStream } from './agent-stream.js';
import type { Greeting } from './hello.js';
import type { Arrived } from './stream-duties.js';
import { StreamRegistry } from './stream-registry.js';

/** What an agent gets for its Hello. */
@Injectable()
export class AgentWelcome {
  constructor(
    private readonly configuration: Configuration,
    private readonly streams: StreamRegistry,
    private readonly arrivals: AgentArrivals,
    private readonly targets: SessionTargets,
    private readonly clock: FleetClock,
  ) {}

  async arrive(stream: AgentStream, greeting: Greeting): Promise<Arrived> {
    const rivalBootId = await this.arrivals.arrive(stream, greeting);
    // Before the sessions are read, so that a change after that reaches the stream.
    if (!stream.hasEnded) this.streams.arrived(stream);
    const desired = (await this.targets.desiredOf([stream.agentId])).get(stream.agentId);
    const { agentHeartbeatSeconds, agentLeaseSeconds } = this.configuration;
    return {
      welcome: {
        agentId: uuidToBytes(stream.agentId),
        heartbeatIntervalMs: agentHeartbeatSeconds * 1_000,
        leaseMs: agentLeaseSeconds * 1_000,
        serverTimeUs: this.clock.now().us,
      },
      rivalBootId,
      desired: desired ?? { revision: 0n, sessions: [] },
    };
  }
}
