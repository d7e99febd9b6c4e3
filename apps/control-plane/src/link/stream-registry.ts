import { Injectable } from '@nestjs/common';
import { Gauge } from 'prom-client';
import { GrpcStatusError } from '../grpc/grpc-status.js';
import { MetricsRegistry } from '../metrics/metrics-registry.js';
import type { AgentStream } from './agent-stream.js';

/** The streams of this replica: all that are open, and which of them speaks for which agent. */
@Injectable()
export class StreamRegistry {
  private readonly open = new Set<AgentStream>();
  private readonly speaking = new Map<string, AgentStream>();

  constructor(registry: MetricsRegistry) {
    const streams = this.speaking;
    new Gauge({
      name: 'synscope_agents_connected',
      help: 'Agents with a stream to this replica.',
      registers: [registry],
      collect() {
        this.set(streams.size);
      },
    });
  }

  opened(stream: AgentStream): void {
    this.open.add(stream);
  }

  /** The stream speaks for its agent from now on; an older one of the same agent ends. */
  arrived(stream: AgentStream): void {
    const older = this.speaking.get(stream.agentId);
    this.speaking.set(stream.agentId, stream);
    older?.end(
      new GrpcStatusError(
        'ABORTED',
        'another stream was opened with the identity of this agent, and the newer one counts',
      ),
    );
  }

  /** Whether it spoke for its agent until now. */
  closed(stream: AgentStream): boolean {
    this.open.delete(stream);
    if (this.speaking.get(stream.agentId) !== stream) return false;
    return this.speaking.delete(stream.agentId);
  }

  of(agentId: string): AgentStream | undefined {
    return this.speaking.get(agentId);
  }

  agentIds(): readonly string[] {
    return [...this.speaking.keys()];
  }

  all(): Iterable<AgentStream> {
    return this.open;
  }
}
