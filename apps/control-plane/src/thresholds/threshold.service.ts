import { Injectable } from '@nestjs/common';
import {
  formatDate,
  type Threshold,
  type ThresholdCreate,
  type ThresholdFilter,
  type ThresholdListQuery,
  type ThresholdUpdate,
  thresholdFaults,
} from '@synscope/api-contract';
import { parseSelector, SelectorSyntaxError } from '@synscope/selector';
import { DataSource, type EntityManager } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { z } from 'zod';
import type { Actor } from '../access/actor.js';
import { AuditTrail } from '../audit/audit-trail.js';
import { invalidField, notFound } from '../errors/api-error.js';
import { KeysetList } from '../lists/keyset-list.js';
import { invalidThresholdSelector, tooManyThresholds } from './threshold.errors.js';
import { type StoredThreshold, type ThresholdSettings, ThresholdStore } from './threshold.store.js';

/** Each is a query per minute over a minute of records. */
const MOST_THRESHOLDS = 100;

@Injectable()
export class ThresholdService {
  constructor(
    private readonly database: DataSource,
    private readonly store: ThresholdStore,
    private readonly audit: AuditTrail,
  ) {}

  async create(request: ThresholdCreate, actor: Actor): Promise<Threshold> {
    const { aboveMs = null, aboveRatio = null, percentile, ...rest } = request;
    const settings: ThresholdSettings = {
      ...rest,
      aboveMs,
      aboveRatio,
      percentile: aboveRatio === null ? (percentile ?? 'p99') : null,
    };
    checkSelector(settings.filter);
    const id = uuidv7();
    await this.database.transaction(async (manager) => {
      if ((await this.store.count(manager)) >= MOST_THRESHOLDS) throw tooManyThresholds(MOST_THRESHOLDS);
      await this.store.insert(manager, id, settings, actor.kind === 'token' ? actor.tokenId : null);
      await this.audit.record(manager, actor, {
        action: 'threshold.create',
        resource: { kind: 'threshold', id },
        after: settings,
      });
    });
    return this.get(id);
  }

  async get(id: string): Promise<Threshold> {
    const threshold = await this.store.find(id);
    if (threshold === null) throw notFound('threshold', id);
    return toThreshold(threshold);
  }

  list(query: ThresholdListQuery): KeysetList<Threshold> {
    return new KeysetList({
      name: 'thresholds',
      query,
      position: z.tuple([z.guid()]).readonly(),
      fetch: async ({ after, limit }) =>
        (await this.store.list(query.name ?? null, query.state ?? null, after?.[0] ?? null, limit)).map(
          (threshold) => ({ item: toThreshold(threshold), position: [threshold.id] as const }),
        ),
    });
  }

  /** It begins anew with the settings. */
  async update(id: string, request: ThresholdUpdate, actor: Actor): Promise<Threshold> {
    await this.database.transaction(async (manager) => {
      const before = settingsOf(await this.locked(manager, id));
      const given = Object.fromEntries(Object.entries(request).filter(([, value]) => value !== undefined));
      const after: ThresholdSettings = { ...before, ...given };
      const [fault] = thresholdFaults(after);
      if (fault) throw invalidField(fault.path.join('.'), fault.message);
      checkSelector(after.filter);
      await this.store.update(manager, id, after);
      await this.audit.record(manager, actor, {
        action: 'threshold.update',
        resource: { kind: 'threshold', id },
        before,
        after,
      });
    });
    return this.get(id);
  }

  async delete(id: string, actor: Actor): Promise<void> {
    await this.database.transaction(async (manager) => {
      const before = settingsOf(await this.locked(manager, id));
      await this.store.delete(manager, id);
      await this.audit.record(manager, actor, {
        action: 'threshold.delete',
        resource: { kind: 'threshold', id },
        before,
      });
    });
  }

  private async locked(manager: EntityManager, id: string): Promise<StoredThreshold> {
    const threshold = await this.store.lock(manager, id);
    if (threshold === null) throw notFound('threshold', id);
    return threshold;
  }
}

function checkSelector({ selector }: ThresholdFilter): void {
  if (selector === undefined) return;
  try {
    parseSelector(selector);
  } catch (error) {
    if (error instanceof SelectorSyntaxError) throw invalidThresholdSelector(error.message);
    throw error;
  }
}

function settingsOf(threshold: StoredThreshold): ThresholdSettings {
  const { name, metric, percentile, filter, aboveMs, aboveRatio, forMinutes, minCount, enabled } = threshold;
  return { name, metric, percentile, filter, aboveMs, aboveRatio, forMinutes, minCount, enabled };
}

function toThreshold(threshold: StoredThreshold): Threshold {
  const { id, state, since, minutesAbove, lastValue, lastCount, lastMinute, lastError } = threshold;
  return {
    id,
    ...settingsOf(threshold),
    state,
    since: formatDate(since),
    minutesAbove,
    lastValue,
    lastCount: lastCount === null ? null : Number(lastCount),
    lastMinute: lastMinute && formatDate(lastMinute),
    lastError,
    createdAt: formatDate(threshold.createdAt),
    updatedAt: formatDate(threshold.updatedAt),
  };
}
