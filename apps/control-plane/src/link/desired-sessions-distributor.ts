import { Injectable, Logger } from '@nestjs/common';
import { isDatabaseUnavailable } from '../database/database-unavailable.js';
import { SessionTargets } from '../trace-sessions/session-targets.js';
import { StreamRegistry } from './stream-registry.js';

/** Agents per query. */
const BATCH = 1_000;

/** Reads what agents should be running when that may have changed, and tells those that are connected here. */
@Injectable()
export class DesiredSessionsDistributor {
  private readonly logger = new Logger('DesiredSessions');
  private readonly stale = new Set<string>();
  private running = false;

  constructor(
    private readonly streams: StreamRegistry,
    private readonly targets: SessionTargets,
  ) {}

  /** What these agents were told may no longer be true. */
  markStale(agentIds: Iterable<string>): void {
    for (const agentId of agentIds) {
      if (this.streams.of(agentId) !== undefined) this.stale.add(agentId);
    }
    void this.run();
  }

  async sessionChanged(sessionId: string): Promise<void> {
    try {
      this.markStale(await this.targets.agentsOf(sessionId));
    } catch (error) {
      this.report(error);
    }
  }

  private async run(): Promise<void> {
    if (this.running) return;
    this.running = true;
    try {
      while (this.stale.size > 0) {
        const agentIds = [...this.stale].slice(0, BATCH);
        for (const agentId of agentIds) this.stale.delete(agentId);
        for (const [agentId, desired] of await this.targets.desiredOf(agentIds)) {
          this.streams.of(agentId)?.sendDesired(desired);
        }
      }
    } catch (error) {
      // The sweep marks everybody again.
      this.report(error);
    } finally {
      this.running = false;
    }
  }

  private report(error: unknown): void {
    if (isDatabaseUnavailable(error)) this.logger.debug(`desired sessions not read: ${String(error)}`);
    else this.logger.error(error, 'unexpected error while reading desired sessions');
  }
}
