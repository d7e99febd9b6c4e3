import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { Actor } from '../access/actor.js';
import { type AuditRecord, AuditTrail } from '../audit/audit-trail.js';
import { ChangeFeed } from '../change-feed/change-feed.js';
import { SessionProgress } from './session-progress.js';

export interface SessionChange extends Pick<AuditRecord, 'before' | 'after' | 'detail'> {
  readonly id: string;
  readonly action: 'trace_session.create' | 'trace_session.stop';
}

/** Whoever starts or stops a session leaves a trace and tells all replicas. */
@Injectable()
export class SessionChangeRecorder {
  constructor(
    private readonly audit: AuditTrail,
    private readonly changes: ChangeFeed,
    private readonly progress: SessionProgress,
  ) {}

  async changed(manager: EntityManager, actor: Actor, { id, ...change }: SessionChange): Promise<void> {
    await this.audit.record(manager, actor, { ...change, resource: { kind: 'trace_session', id } });
    await this.changes.announce(manager, [{ kind: 'session', id }]);
  }

  /** After the commit: its end is looked at in time. */
  started(durationSeconds: number): void {
    this.progress.expectEnd(durationSeconds * 1_000);
  }
}
