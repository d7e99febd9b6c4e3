import { Injectable, Logger } from '@nestjs/common';
import type { RunOutcome, TraceSessionCreate } from '@synscope/api-contract';
import type { EntityManager } from 'typeorm';
import type { Actor } from '../access/actor.js';
import { isDatabaseUnavailable } from '../database/database-unavailable.js';
import { isLockConflict } from '../database/lock-conflict.js';
import { toApiError } from '../errors/to-api-error.js';
import { SessionControl } from '../trace-sessions/session-control.js';
import type { StoredSchedule } from './schedule.js';
import { type Conclusion, type NewRun, ScheduleRunStore } from './schedule-run.store.js';
import { sessionName } from './session-name.js';

/**
 * The session of an earlier run is no longer in the way so long before its time is over. One that is as long as the period ends when the
 * next is due, give or take how late each of the two fired, and some seconds are left to agents to end it: without this every other run
 * would be skipped.
 */
const ENDING_SECONDS = 2;

/** A run as its transaction leaves it. */
export interface FinishedRun {
  readonly id: string;
  readonly outcome: RunOutcome;
}

/** Runs a schedule once. The caller holds the schedule's lock, and calls `committed` when its transaction is. */
@Injectable()
export class ScheduleRunner {
  private readonly logger = new Logger('ScheduleRunner');

  constructor(
    private readonly runs: ScheduleRunStore,
    private readonly sessions: SessionControl,
  ) {}

  /** Null if this due time has its run already. */
  async run(
    manager: EntityManager,
    schedule: StoredSchedule,
    { dueAt, firedAt }: Pick<NewRun, 'dueAt' | 'firedAt'>,
    actor: Actor,
  ): Promise<FinishedRun | null> {
    const triggeredBy = actor.kind === 'token' ? actor : null;
    const id = await this.runs.claim(manager, { scheduleId: schedule.id, dueAt, firedAt, triggeredBy });
    if (id === null) return null;
    const conclusion = await this.start(manager, schedule, dueAt, actor);
    await this.runs.conclude(manager, id, conclusion);
    await this.runs.prune(manager, schedule.id);
    return { id, outcome: conclusion.outcome };
  }

  committed(run: FinishedRun, session: TraceSessionCreate): void {
    if (run.outcome === 'started') this.sessions.started(session);
  }

  private async start(
    manager: EntityManager,
    schedule: StoredSchedule,
    dueAt: Date,
    actor: Actor,
  ): Promise<Conclusion> {
    const open = schedule.overlap === 'allow' ? [] : await this.openSessions(manager, schedule.id);
    if (open.length > 0 && schedule.overlap === 'skip') {
      return {
        outcome: 'skipped',
        error: `the session of an earlier run was still open: ${open.join(', ')}; overlap is skip`,
      };
    }
    const request = { ...schedule.session, name: sessionName(schedule, dueAt) };
    try {
      // A transaction within the transaction: what it leaves when it fails is undone, and the run can still be recorded.
      const sessionId = await manager.transaction((inner) =>
        this.sessions.start(inner, request, actor, open),
      );
      return { outcome: 'started', sessionId };
    } catch (error) {
      if (isDatabaseUnavailable(error) || isLockConflict(error)) throw error;
      return { outcome: 'failed', error: this.reason(error, schedule) };
    }
  }

  private async openSessions(manager: EntityManager, scheduleId: string): Promise<readonly string[]> {
    const ids = await this.runs.recentSessionIds(manager, scheduleId);
    return this.sessions.openAmong(manager, ids, ENDING_SECONDS);
  }

  private reason(error: unknown, schedule: StoredSchedule): string {
    const apiError = toApiError(error);
    if (apiError.code !== 'internal_error') return apiError.message;
    this.logger.error(error, `unexpected error while starting a session of the schedule ${schedule.id}`);
    return 'an unexpected error occurred; the log of the control plane has it';
  }
}
