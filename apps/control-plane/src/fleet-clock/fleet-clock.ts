import { Injectable, Logger, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { ClockFilter } from '@synscope/protocol';
import { DatabasePool } from '../database/database-pool.js';

const INTERVAL_MS = 10_000;
/** Round trips at the start, of which the quickest counts; the first has the connection to open. */
const FIRST_ROUND_TRIPS = 3;

/** The microsecond when a call asks; since the Unix epoch. */
export interface FleetTime {
  readonly us: bigint;
  /** The database's clock is within ± this many microseconds of it. */
  readonly uncertaintyUs: bigint;
}

/**
 * The clock that agents are told and compared with: the database's, which all replicas have in common, as far as this replica knows it. A replica
 * whose own clock is minutes off gives agents the same ends of sessions and the same offsets as the others.
 */
@Injectable()
export class FleetClock implements OnModuleInit, OnModuleDestroy {
  private readonly logger = new Logger('FleetClock');
  private readonly filter = new ClockFilter();
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly database: DatabasePool) {}

  async onModuleInit(): Promise<void> {
    for (let trip = 0; trip < FIRST_ROUND_TRIPS; trip++) await this.look();
    this.timer = setInterval(() => void this.look(), INTERVAL_MS).unref();
  }

  onModuleDestroy(): void {
    clearInterval(this.timer);
  }

  now(): FleetTime {
    const nowUs = monotonicUs();
    const difference = this.filter.at(nowUs);
    // The database answered a moment before this was made; should it not have: our own clock, and that nothing is known of it.
    if (difference === null) return { us: BigInt(Date.now()) * 1_000n, uncertaintyUs: 3_600_000_000n };
    return {
      us: BigInt(Math.round(nowUs + difference.differenceUs)),
      uncertaintyUs: BigInt(Math.ceil(difference.uncertaintyUs)),
    };
  }

  private async look(): Promise<void> {
    try {
      const client = await this.database.connect();
      try {
        const sentUs = monotonicUs();
        const { rows } = await client.query<{ readonly us: string }>(
          'SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint::text AS us',
        );
        const heardUs = monotonicUs();
        const us = Number(rows[0]?.us);
        this.filter.add({ sentUs, receivedUs: us, answeredUs: us, heardUs, uncertaintyUs: 0 });
      } finally {
        client.release();
      }
    } catch (error) {
      this.logger.debug(`the database was not asked for its clock: ${String(error)}`);
    }
  }
}

function monotonicUs(): number {
  return performance.now() * 1_000;
}
