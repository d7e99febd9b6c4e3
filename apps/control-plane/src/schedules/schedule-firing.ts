import { Injectable } from '@nestjs/common';
import { Counter } from 'prom-client';
import { DataSource, type EntityManager } from 'typeorm';
import type { SystemActor } from '../access/actor.js';
import { isLockConflict } from '../database/lock-conflict.js';
import { MetricsRegistry } from '../metrics/metrics-registry.js';
import { fireTime } from './jitter.js';
import { planFor, type StoredSchedule, timingOf } from './schedule.js';
import { ScheduleStore } from './schedule.store.js';
import { type MissedRun, ScheduleRunStore } from './schedule-run.store.js';
import { type FinishedRun, ScheduleRunner } from './schedule-runner.js';
import { type Settlement, settle } from './settlement.js';

/** How often a firing is tried again that Postgres broke off because of other transactions. */
const MOST_ATTEMPTS = 3;

/** A schedule whose turn it was, and the error if there was one. */
export interface Firing {
  readonly scheduleId: string;
  readonly error: unknown;
}

interface Fired {
  readonly schedule: StoredSchedule;
  readonly run: FinishedRun | null;
  readonly missed: number;
}

/**
 * Settles due times, one schedule per transaction: claim, session and the next due time are committed together or not at all. So no due
 * time fires twice, also when a replica dies in the middle.
 */
@Injectable()
export class ScheduleFiring {
  private readonly counted: Counter<'outcome'>;

  constructor(
    private readonly database: DataSource,
    private readonly store: ScheduleStore,
    private readonly runs: ScheduleRunStore,
    private readonly runner: ScheduleRunner,
    registry: MetricsRegistry,
  ) {
    this.counted = new Counter({
      name: 'synscope_schedule_runs_total',
      help: 'Due times of schedules that this replica has settled, by outcome; manual runs are not among them.',
      labelNames: ['outcome'],
      registers: [registry],
    });
  }

  /** Takes on one schedule whose time to fire has come; null if there is none. Throws if not even that can be found out. */
  async fireNext(except: readonly string[]): Promise<Firing | null> {
    for (let attempt = 1; ; attempt++) {
      let scheduleId: string | null = null;
      try {
        const fired = await this.database.transaction(async (manager) => {
          scheduleId = await this.store.lockDue(manager, except);
          const due = scheduleId && (await this.store.lock(manager, scheduleId));
          return due ? this.fire(manager, due.schedule, due.now) : null;
        });
        if (fired === null) return null;
        this.committed(fired);
        return { scheduleId: fired.schedule.id, error: null };
      } catch (error) {
        if (isLockConflict(error) && attempt < MOST_ATTEMPTS) continue;
        if (scheduleId === null) throw error;
        return { scheduleId, error };
      }
    }
  }

  private async fire(manager: EntityManager, schedule: StoredSchedule, now: Date): Promise<Fired> {
    const { id, catchUpSeconds, jitterSeconds } = schedule;
    const settlement = settle(
      {
        timing: timingOf(schedule),
        firstDue: schedule.plan?.dueAt ?? now,
        catchUpSeconds,
        fireTime: (due) => fireTime(id, due, jitterSeconds),
      },
      now,
    );
    await this.store.plan(manager, id, planFor(id, settlement.next, jitterSeconds));
    await this.runs.insertMissed(manager, id, missedRuns(settlement, schedule));
    const actor: SystemActor = { kind: 'system', name: `schedule ${schedule.name}` };
    const run =
      settlement.fire &&
      (await this.runner.run(manager, schedule, { dueAt: settlement.fire, firedAt: now }, actor));
    return { schedule, run, missed: settlement.missed.length };
  }

  private committed({ schedule, run, missed }: Fired): void {
    this.counted.inc({ outcome: 'missed' }, missed);
    if (run === null) return;
    this.counted.inc({ outcome: run.outcome });
    this.runner.committed(run, schedule.session);
  }
}

function missedRuns({ fire, missed, unrecorded }: Settlement, schedule: StoredSchedule): MissedRun[] {
  return missed.map((dueAt, index) => {
    const why =
      fire === null
        ? `no control plane fired it in time; catchUpSeconds is ${schedule.catchUpSeconds}`
        : 'no control plane fired it in time; a later due time was caught up instead';
    const more = unrecorded && index === 0 ? '; earlier ones were missed too, and are not listed' : '';
    return { dueAt, error: why + more };
  });
}
