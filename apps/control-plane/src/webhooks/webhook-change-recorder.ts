import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { Actor } from '../access/actor.js';
import { type AuditRecord, AuditTrail } from '../audit/audit-trail.js';
import { ChangeFeed } from '../change-feed/change-feed.js';
import type { WebhookSettings } from './webhook.store.js';

export interface WebhookChange extends Pick<AuditRecord, 'before' | 'after' | 'detail'> {
  readonly id: string;
  readonly action: `webhook.${'create' | 'update' | 'delete' | 'rotate_secret' | 'test' | 'redeliver'}`;
}

/** Whoever changes a webhook leaves a trace and wakes the dispatchers of all replicas. */
@Injectable()
export class WebhookChangeRecorder {
  constructor(
    private readonly audit: AuditTrail,
    private readonly changes: ChangeFeed,
  ) {}

  async changed(manager: EntityManager, actor: Actor, { id, ...change }: WebhookChange): Promise<void> {
    await this.audit.record(manager, actor, { ...change, resource: { kind: 'webhook', id } });
    await this.changes.announce(manager, [{ kind: 'webhook', id }]);
  }
}

/** The settings as an audit event holds them. Of the URL only where it leads: its path is a secret with some services. */
export function audited({ name, url, events, enabled }: WebhookSettings): object {
  return { name, origin: new URL(url).origin, events, enabled };
}
