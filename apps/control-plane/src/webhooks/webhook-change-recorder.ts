import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { Actor } from '../access/actor.js';
import { AuditTrail } from '../audit/audit-trail.js';
import { ChangeFeed } from '../change-feed/change-feed.js';
import type { WebhookSettings } from './webhook.store.js';

export interface WebhookChange {
  readonly id: string;
  readonly action: `webhook.${'create' | 'update' | 'delete' | 'rotate_secret' | 'test' | 'redeliver'}`;
  readonly detail: Readonly<Record<string, unknown>>;
}

/** Whoever changes a webhook leaves a trace and wakes the dispatchers of all replicas. */
@Injectable()
export class WebhookChangeRecorder {
  constructor(
    private readonly audit: AuditTrail,
    private readonly changes: ChangeFeed,
  ) {}

  async changed(manager: EntityManager, actor: Actor, { id, action, detail }: WebhookChange): Promise<void> {
    await this.audit.record(manager, actor, { action, resource: { kind: 'webhook', id }, detail });
    await this.changes.announce(manager, [{ kind: 'webhook', id }]);
  }
}

/** What an audit event says of the settings. Of the URL only where it leads: its path is a secret with some services. */
export function auditDetail({
  name,
  url,
  events,
  enabled,
}: WebhookSettings): Readonly<Record<string, unknown>> {
  return { name, origin: new URL(url).origin, events, enabled };
}
