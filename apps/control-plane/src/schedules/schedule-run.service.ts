import { Injectable } from '@nestjs/common';
import {
  formatDate,
  type ScheduleRun,
  type ScheduleRunListQuery,
  type TraceSession,
  timestampSchema,
} from '@synscope/api-contract';
import { DataSource } from 'typeorm';
import { z } from 'zod';
import type { TokenActor } from '../access/actor.js';
import { notFound } from '../errors/api-error.js';
import { KeysetList } from '../lists/keyset-list.js';
import { SessionControl } from '../trace-sessions/session-control.js';
import { ScheduleStore } from './schedule.store.js';
import { ScheduleChangeRecorder } from './schedule-change-recorder.js';
import { type RunRow, ScheduleRunStore } from './schedule-run.store.js';
import { ScheduleRunner } from './schedule-runner.js';

/** Runs as the REST API makes and shows them. */
@Injectable()
export class ScheduleRunService {
  constructor(
    private readonly database: DataSource,
    private readonly schedules: ScheduleStore,
    private readonly runs: ScheduleRunStore,
    private readonly runner: ScheduleRunner,
    private readonly sessions: SessionControl,
    private readonly record: ScheduleChangeRecorder,
  ) {}

  /** Runs it now, paused or not, whatever is due. */
  async trigger(id: string, actor: TokenActor): Promise<ScheduleRun> {
    const { run, session } = await this.database.transaction(async (manager) => {
      const reading = await this.schedules.lock(manager, id);
      if (reading === null) throw notFound('schedule', id);
      const dueAt = await this.runs.manualDueAt(manager, id);
      const finished = await this.runner.run(manager, reading.schedule, { dueAt, firedAt: dueAt }, actor);
      if (finished === null)
        throw new Error(`the schedule ${id} has a run that is due at ${dueAt.toISOString()}`);
      await this.record.changed(manager, actor, {
        id,
        action: 'schedule.trigger',
        detail: { runId: finished.id, outcome: finished.outcome },
      });
      return { run: finished, session: reading.schedule.session };
    });
    this.runner.committed(run, session);
    const row = await this.runs.find(run.id);
    // Deleted with its schedule in this very moment.
    if (row === null) throw notFound('schedule', id);
    const [item] = await this.toRuns([row]);
    return item as ScheduleRun;
  }

  async list(scheduleId: string, query: ScheduleRunListQuery): Promise<KeysetList<ScheduleRun>> {
    if ((await this.schedules.find(scheduleId)) === null) throw notFound('schedule', scheduleId);
    return new KeysetList({
      name: `schedules/${scheduleId}/runs`,
      query,
      position: z.tuple([timestampSchema]).readonly(),
      fetch: async ({ after, limit }) => {
        const rows = await this.runs.list(scheduleId, query.outcome ?? null, after?.[0] ?? null, limit);
        return (await this.toRuns(rows)).map((item) => ({ item, position: [item.dueAt] as const }));
      },
    });
  }

  private async toRuns(rows: readonly RunRow[]): Promise<ScheduleRun[]> {
    const sessions = await this.sessions.find(rows.flatMap(({ sessionId }) => sessionId ?? []));
    return rows.map((row) => toRun(row, sessions.get(row.sessionId ?? '') ?? null));
  }
}

function toRun(row: RunRow, session: TraceSession | null): ScheduleRun {
  const { triggeredBy, triggeredByName } = row;
  return {
    id: row.id,
    scheduleId: row.scheduleId,
    trigger: row.manual ? 'manual' : 'schedule',
    triggeredBy: triggeredBy === null ? null : { tokenId: triggeredBy, name: triggeredByName ?? '' },
    dueAt: formatDate(row.dueAt),
    firedAt: row.firedAt && formatDate(row.firedAt),
    outcome: row.outcome,
    error: row.error,
    sessionId: row.sessionId,
    session: session && {
      state: session.state,
      message: session.message,
      endedAt: session.endedAt,
      targets: session.targets,
    },
  };
}
