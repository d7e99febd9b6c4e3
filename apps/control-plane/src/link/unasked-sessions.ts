import { Injectable, Logger } from '@nestjs/common';
import { Counter } from 'prom-client';
import { MetricsRegistry } from '../metrics/metrics-registry.js';

/** Pairs of agents and sessions that were logged; beyond it the log is silent, the metric goes on. */
const LOGGED_MAX = 1_000;

/** Sessions that agents run and nobody asked them for. An agent is told to end them by the list of what it should be running. */
@Injectable()
export class UnaskedSessions {
  private readonly logger = new Logger('Link');
  private readonly logged = new Set<string>();
  private readonly reports: Counter;

  constructor(registry: MetricsRegistry) {
    this.reports = new Counter({
      name: 'synscope_unasked_session_reports_total',
      help: 'Reports of agents about sessions that they run and nobody asked them for.',
      registers: [registry],
    });
  }

  reported(agentId: string, sessionIds: readonly string[]): void {
    for (const sessionId of sessionIds) {
      this.reports.inc();
      const pair = `${agentId} ${sessionId}`;
      if (this.logged.has(pair) || this.logged.size >= LOGGED_MAX) continue;
      this.logged.add(pair);
      this.logger.warn(
        `the agent ${agentId} runs the session ${sessionId}, which nobody asked it for; it is told to end it`,
      );
    }
  }
}
