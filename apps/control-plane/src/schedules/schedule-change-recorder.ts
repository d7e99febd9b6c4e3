import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { Actor } from '../access/actor.js';
import { type AuditRecord, AuditTrail } from '../audit/audit-trail.js';
import { ChangeFeed } from '../change-feed/change-feed.js';

export interface ScheduleChange extends Pick<AuditRecord, 'before' | 'after' | 'detail'> {
  readonly id: string;
  readonly action: 'schedule.create' | 'schedule.update' | 'schedule.delete' | 'schedule.trigger';
}

/** Whoever changes a schedule leaves a trace and wakes the schedulers of all replicas. */
@Injectable()
export class ScheduleChangeRecorder {
  constructor(
    private readonly audit: AuditTrail,
    private readonly changes: ChangeFeed,
  ) {}

  async changed(manager: EntityManager, actor: Actor, { id, ...change }: ScheduleChange): Promise<void> {
    await this.audit.record(manager, actor, { ...change, resource: { kind: 'schedule', id } });
    await this.changes.announce(manager, [{ kind: 'schedule', id }]);
  }
}
