import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { Actor } from '../access/actor.js';
import { type AuditRecord, AuditTrail } from '../audit/audit-trail.js';
import { ChangeFeed } from '../change-feed/change-feed.js';

export interface AgentChange extends Pick<AuditRecord, 'before' | 'after' | 'detail'> {
  readonly id: string;
  readonly action: 'agent.update' | 'agent.revoke' | 'agent.enrol' | 'agent.identity_copied';
}

/** Whoever changes an agent leaves a trace and tells the replica that holds its stream. */
@Injectable()
export class AgentChangeRecorder {
  constructor(
    private readonly audit: AuditTrail,
    private readonly changes: ChangeFeed,
  ) {}

  async changed(manager: EntityManager, actor: Actor, { id, ...change }: AgentChange): Promise<void> {
    await this.audit.record(manager, actor, { ...change, resource: { kind: 'agent', id } });
    await this.changes.announce(manager, [{ kind: 'agent', id }]);
  }
}
