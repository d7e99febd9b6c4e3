import { Injectable } from '@nestjs/common';
import type {
  Finding,
  FindingChange,
  FindingListQuery,
  FindingRule,
  FindingRuleListQuery,
} from '@synscope/api-contract';
import { DataSource } from 'typeorm';
import { z } from 'zod';
import type { Actor } from '../access/actor.js';
import { AuditTrail } from '../audit/audit-trail.js';
import { notFound } from '../errors/api-error.js';
import { KeysetList } from '../lists/keyset-list.js';
import { EngineStateStore } from './engine/engine-state.store.js';
import { FindingWriter } from './engine/finding-writer.js';
import { findingResolved } from './finding.errors.js';
import { FindingStore } from './finding.store.js';
import { toFinding } from './finding-row.js';
import { RULES } from './rules/index.js';

@Injectable()
export class FindingService {
  constructor(
    private readonly database: DataSource,
    private readonly store: FindingStore,
    private readonly writer: FindingWriter,
    private readonly engine: EngineStateStore,
    private readonly audit: AuditTrail,
  ) {}

  list(query: FindingListQuery): KeysetList<Finding> {
    return new KeysetList({
      name: 'findings',
      query,
      position: z.tuple([z.guid()]).readonly(),
      fetch: async ({ after, limit, window }) =>
        (await this.store.list(query, window.since, after?.[0] ?? null, limit)).map((row) => ({
          item: toFinding(row),
          position: [row.id] as const,
        })),
    });
  }

  async get(id: string): Promise<Finding> {
    const row = await this.store.find(id);
    if (row === null) throw notFound('finding', id);
    return toFinding(row);
  }

  /** Again, it changes nothing. */
  async acknowledge(id: string, { comment }: FindingChange, actor: Actor): Promise<Finding> {
    await this.database.transaction(async (manager) => {
      const row = await this.store.lock(manager, id);
      if (row === null) throw notFound('finding', id);
      if (row.state === 'resolved') throw findingResolved(id);
      if (row.state === 'acknowledged') return;
      const changed = await this.store.setState(manager, id, 'acknowledged');
      await this.writer.publish(manager, changed, () => 'finding.updated');
      await this.audit.record(manager, actor, {
        action: 'finding.acknowledge',
        resource: { kind: 'finding', id },
        before: { state: row.state },
        after: { state: 'acknowledged' },
        detail: { code: row.code, ...(comment !== undefined && { comment }) },
      });
    });
    return this.get(id);
  }

  /** Again, it changes nothing. Evidence that comes later opens it again. */
  async resolve(id: string, { comment }: FindingChange, actor: Actor): Promise<Finding> {
    await this.database.transaction(async (manager) => {
      const row = await this.store.lock(manager, id);
      if (row === null) throw notFound('finding', id);
      if (row.state === 'resolved') return;
      const changed = await this.store.setState(manager, id, 'resolved');
      await this.writer.publish(manager, changed, () => 'finding.resolved');
      await this.audit.record(manager, actor, {
        action: 'finding.resolve',
        resource: { kind: 'finding', id },
        before: { state: row.state },
        after: { state: 'resolved' },
        detail: { code: row.code, ...(comment !== undefined && { comment }) },
      });
    });
    return this.get(id);
  }

  /** In the order in which they are asked. */
  rules(query: FindingRuleListQuery): KeysetList<FindingRule> {
    return new KeysetList({
      name: 'finding-rules',
      query,
      position: z.tuple([z.int().min(0)]).readonly(),
      fetch: async ({ after, limit }) => {
        const failures = await this.engine.failures();
        const start = after === null ? 0 : after[0] + 1;
        return RULES.slice(start, start + limit).map(
          ({ code, looksFor, needs, wouldBeRefutedBy }, index) => ({
            item: {
              code,
              looksFor,
              needs: [...needs],
              wouldBeRefutedBy,
              failures: failures[code]?.count ?? 0,
              lastFailure: failures[code]?.message ?? null,
            },
            position: [start + index] as const,
          }),
        );
      },
    });
  }
}
