import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { isDatabaseUnavailable } from '../database/database-unavailable.js';
import { SessionProgress } from './session-progress.js';
import { type AgentStatuses, SessionTargetStore, type StatusOutcome } from './session-target.store.js';

/** Agents per statement. */
const BATCH = 500;

interface Pending extends AgentStatuses {
  readonly resolve: (outcomes: readonly StatusOutcome[]) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Takes in what agents say about their sessions. A session of a whole fleet brings a thousand statuses at once: those that come while one
 * statement is under way share the next one.
 */
@Injectable()
export class StatusReports {
  private pending: Pending[] = [];
  private writing = false;

  constructor(
    private readonly database: DataSource,
    private readonly store: SessionTargetStore,
    private readonly progress: SessionProgress,
  ) {}

  /** What became of it, after the commit. What one agent says is taken in in the order in which it was added. */
  add(report: AgentStatuses): Promise<readonly StatusOutcome[]> {
    const { promise, resolve, reject } = Promise.withResolvers<readonly StatusOutcome[]>();
    this.pending.push({ ...report, resolve, reject });
    void this.write();
    return promise;
  }

  private async write(): Promise<void> {
    if (this.writing) return;
    this.writing = true;
    while (this.pending.length > 0) {
      await this.settle(this.takeBatch());
    }
    this.writing = false;
  }

  private async settle(batch: readonly Pending[]): Promise<void> {
    try {
      const outcomes = Map.groupBy(await this.apply(batch), ({ agentId }) => agentId);
      for (const { agentId, resolve } of batch) resolve(outcomes.get(agentId) ?? []);
    } catch (error) {
      // What the database does not take of one agent must not cost the others theirs.
      if (batch.length > 1 && !isDatabaseUnavailable(error)) {
        for (const report of batch) await this.settle([report]);
      } else for (const { reject } of batch) reject(error);
    }
  }

  /** The oldest, of each agent one: a second word on the same target comes after the first. */
  private takeBatch(): readonly Pending[] {
    const batch = new Map<string, Pending>();
    const left: Pending[] = [];
    for (const report of this.pending) {
      if (batch.size < BATCH && !batch.has(report.agentId)) batch.set(report.agentId, report);
      else left.push(report);
    }
    this.pending = left;
    return [...batch.values()];
  }

  private async apply(batch: readonly AgentStatuses[]): Promise<readonly StatusOutcome[]> {
    const outcomes = await this.store.applyStatuses(this.database.manager, batch);
    this.progress.touch(outcomes.filter(({ changed }) => changed).map(({ sessionId }) => sessionId));
    return outcomes;
  }
}
