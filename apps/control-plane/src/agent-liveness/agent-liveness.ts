import { Injectable } from '@nestjs/common';
import { Configuration } from '../config/configuration.js';

/** Heartbeat intervals without a sign of life after which an agent counts as offline. */
export const SILENT_INTERVALS = 3;

/** When an agent counts as online, said once for all queries. */
@Injectable()
export class AgentLiveness {
  readonly offlineAfterSeconds: number;

  constructor(configuration: Configuration) {
    this.offlineAfterSeconds = configuration.agentHeartbeatSeconds * SILENT_INTERVALS;
  }

  /** The condition on a row of `agent` under that alias; `seconds` is the parameter that holds `offlineAfterSeconds`. */
  onlineSql(alias: string, seconds: string): string {
    return `coalesce(${alias}.link_id IS NOT NULL AND ${alias}.last_seen_at > now() - make_interval(secs => ${seconds}), FALSE)`;
  }
}
