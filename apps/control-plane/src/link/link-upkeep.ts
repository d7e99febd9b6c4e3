import { Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { SILENT_INTERVALS } from '../agent-liveness/agent-liveness.js';
import { Configuration } from '../config/configuration.js';
import { SignsOfLife } from './signs-of-life.js';
import { StreamOwnership } from './stream-ownership.js';
import { StreamRegistry } from './stream-registry.js';

const TICK_MS = 1_000;
/** Ticks between two reviews of everything, which repair hints that got lost. */
const TICKS_PER_REVIEW = 5;

/** Looks after the open streams as time goes by: silence, expiry, leases, heartbeats to be written. */
@Injectable()
export class LinkUpkeep implements OnApplicationBootstrap, OnModuleDestroy {
  private timer: NodeJS.Timeout | undefined;
  private ticks = 0;

  constructor(
    private readonly configuration: Configuration,
    private readonly streams: StreamRegistry,
    private readonly signs: SignsOfLife,
    private readonly ownership: StreamOwnership,
  ) {}

  onApplicationBootstrap(): void {
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
    if (this.ticks % TICKS_PER_REVIEW === 0) void this.ownership.reviewAll();
  }
}
