import { Injectable, Logger, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { isDatabaseUnavailable } from '../database/database-unavailable.js';
import { HandshakeJoin } from './handshake-join.js';
import { HandshakeJoinMetrics } from './handshake-join.metrics.js';
import type { JoinPass } from './join-progress.store.js';

/** Between two looks, milliseconds. The more records one has, the less is read for each. */
const INTERVAL_MS: Readonly<Record<JoinPass, number>> = { observed: 2_000, arrived: 60_000 };
/** It rests this many times as long as it took, so that it never takes more of the database than a fifth of a processor. */
const REST = 4;
/** A backlog is worked off without much rest. */
const REST_IN_BACKLOG = 1;

/** Joins both ends of handshakes as they arrive. Every replica runs one; the row of the database that a step locks keeps them apart. */
@Injectable()
export class HandshakeJoiner implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly logger = new Logger('HandshakeJoiner');
  private readonly timers = new Map<JoinPass, NodeJS.Timeout>();
  private readonly running = new Map<JoinPass, Promise<void>>();
  private stopped = false;

  constructor(
    private readonly join: HandshakeJoin,
    private readonly metrics: HandshakeJoinMetrics,
  ) {}

  onApplicationBootstrap(): void {
    for (const pass of ['observed', 'arrived'] as const) this.sleep(pass, INTERVAL_MS[pass]);
  }

  async onModuleDestroy(): Promise<void> {
    this.stopped = true;
    for (const timer of this.timers.values()) clearTimeout(timer);
    await Promise.all(this.running.values());
  }

  private sleep(pass: JoinPass, milliseconds: number): void {
    if (this.stopped) return;
    const look = () =>
      this.running.set(
        pass,
        this.look(pass).then((restMs) => this.sleep(pass, restMs)),
      );
    this.timers.set(pass, setTimeout(look, milliseconds).unref());
  }

  /** How long to rest then, milliseconds. */
  private async look(pass: JoinPass): Promise<number> {
    const startMs = performance.now();
    try {
      const run = await this.join.next(pass);
      const tookMs = performance.now() - startMs;
      if (run) this.metrics.seconds.inc({ pass }, tookMs / 1_000);
      return run?.more ? tookMs * REST_IN_BACKLOG : Math.max(INTERVAL_MS[pass], tookMs * REST);
    } catch (error) {
      if (isDatabaseUnavailable(error) || this.stopped)
        this.logger.debug(`no look for pairs: ${String(error)}`);
      else this.logger.error(error, 'unexpected error while joining both ends of handshakes');
      return INTERVAL_MS[pass] * REST;
    }
  }
}
