import { Injectable } from '@nestjs/common';
import {
  formatDate,
  type Schedule,
  type ScheduleCreate,
  type ScheduleListQuery,
  type ScheduleUpdate,
} from '@synscope/api-contract';
import { DataSource } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { z } from 'zod';
import type { Actor } from '../access/actor.js';
import { notFound } from '../errors/api-error.js';
import { canonicalJson } from '../lists/cursor.js';
import { KeysetList } from '../lists/keyset-list.js';
import { planFor, type ScheduleSettings, type StoredSchedule } from './schedule.js';
import { type ScheduleContent, type ScheduleReading, ScheduleStore } from './schedule.store.js';
import { ScheduleChangeRecorder } from './schedule-change-recorder.js';
import { ScheduleCheck } from './schedule-check.js';
import { UpcomingRuns } from './upcoming-runs.js';

@Injectable()
export class ScheduleService {
  constructor(
    private readonly database: DataSource,
    private readonly store: ScheduleStore,
    private readonly checks: ScheduleCheck,
    private readonly upcoming: UpcomingRuns,
    private readonly record: ScheduleChangeRecorder,
  ) {}

  async create({ cron, everySeconds, ...rest }: ScheduleCreate, actor: Actor): Promise<Schedule> {
    const id = uuidv7();
    const settings = { ...rest, cron: cron ?? null, everySeconds: everySeconds ?? null };
    await this.database.transaction(async (manager) => {
      const now = await this.store.now(manager);
      const content = this.plan(id, settings, now);
      await this.store.insert(manager, id, content, actor.kind === 'token' ? actor.tokenId : null);
      await this.record.changed(manager, actor, { id, action: 'schedule.create', after: settings });
    });
    return this.get(id);
  }

  async get(id: string): Promise<Schedule> {
    const reading = await this.store.find(id);
    if (reading === null) throw notFound('schedule', id);
    return this.toSchedule(reading);
  }

  list(query: ScheduleListQuery): KeysetList<Schedule> {
    return new KeysetList({
      name: 'schedules',
      query,
      position: z.tuple([z.guid()]).readonly(),
      fetch: async ({ after, limit }) =>
        (await this.store.list(query.name ?? null, after?.[0] ?? null, limit)).map((reading) => ({
          item: this.toSchedule(reading),
          position: [reading.schedule.id] as const,
        })),
    });
  }

  async update(id: string, request: ScheduleUpdate, actor: Actor): Promise<Schedule> {
    await this.database.transaction(async (manager) => {
      const reading = await this.store.lock(manager, id);
      if (reading === null) throw notFound('schedule', id);
      const before = settingsOf(reading.schedule);
      const after = merge(before, request);
      if (canonicalJson(before) === canonicalJson(after)) return;
      await this.store.update(manager, id, this.replan(reading, after));
      await this.record.changed(manager, actor, { id, action: 'schedule.update', before, after });
    });
    return this.get(id);
  }

  /** Its runs go with it; sessions that they started go on. */
  async delete(id: string, actor: Actor): Promise<void> {
    await this.database.transaction(async (manager) => {
      const reading = await this.store.lock(manager, id);
      if (reading === null) throw notFound('schedule', id);
      await this.store.delete(manager, id);
      await this.record.changed(manager, actor, {
        id,
        action: 'schedule.delete',
        before: settingsOf(reading.schedule),
      });
    });
  }

  /** Everything is due anew from now on. */
  private plan(id: string, settings: ScheduleSettings, now: Date): ScheduleContent {
    const anchorAt = wholeSecond(now);
    const timing = this.checks.check(settings, anchorAt, now);
    const next = settings.paused ? null : (timing.next(now, 1)[0] ?? null);
    return { ...settings, anchorAt, plan: planFor(id, next, settings.jitterSeconds) };
  }

  /** What was due and has not fired stays due, unless the timing itself changes. */
  private replan({ schedule, now }: ScheduleReading, settings: ScheduleSettings): ScheduleContent {
    const { id, anchorAt } = schedule;
    const sameTiming =
      schedule.cron === settings.cron &&
      schedule.everySeconds === settings.everySeconds &&
      (settings.cron === null || schedule.timezone === settings.timezone);
    if (!sameTiming) return this.plan(id, settings, now);
    const timing = this.checks.check(settings, anchorAt, now);
    const next = schedule.plan?.dueAt ?? timing.next(now, 1)[0] ?? null;
    return {
      ...settings,
      anchorAt,
      plan: settings.paused ? null : planFor(id, next, settings.jitterSeconds),
    };
  }

  private toSchedule({ schedule, now }: ScheduleReading): Schedule {
    return {
      id: schedule.id,
      ...settingsOf(schedule),
      createdAt: formatDate(schedule.createdAt),
      updatedAt: formatDate(schedule.updatedAt),
      nextRuns: this.upcoming.of(schedule, now).map(formatDate),
    };
  }
}

function settingsOf(schedule: StoredSchedule): ScheduleSettings {
  const { name, cron, everySeconds, timezone, jitterSeconds, overlap, catchUpSeconds, session, paused } =
    schedule;
  return { name, cron, everySeconds, timezone, jitterSeconds, overlap, catchUpSeconds, session, paused };
}

/** `cron` takes the place of `everySeconds`, and the other way. */
function merge(
  before: ScheduleSettings,
  { cron, everySeconds, ...request }: ScheduleUpdate,
): ScheduleSettings {
  const given = Object.fromEntries(Object.entries(request).filter(([, value]) => value !== undefined));
  const timing =
    cron !== undefined
      ? { cron, everySeconds: null }
      : everySeconds !== undefined
        ? { cron: null, everySeconds }
        : {};
  return { ...before, ...given, ...timing };
}

function wholeSecond(moment: Date): Date {
  return new Date(Math.floor(moment.getTime() / 1_000) * 1_000);
}
