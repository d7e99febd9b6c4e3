import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { Actor } from '../access/actor.js';
import { AuditTrail } from '../audit/audit-trail.js';
import { WebhookStore } from './webhook.store.js';

/** Ends a webhook whose endpoint is gone. */
@Injectable()
export class WebhookDisabling {
  constructor(
    private readonly webhooks: WebhookStore,
    private readonly audit: AuditTrail,
  ) {}

  /** The caller holds its lock. What is not under way is canceled; what is, ends by itself. */
  async disable(manager: EntityManager, id: string, reason: string, actor: Actor): Promise<void> {
    await this.webhooks.disable(manager, id, reason);
    await this.audit.record(manager, actor, {
      action: 'webhook.disable',
      resource: { kind: 'webhook', id },
      detail: { reason },
    });
  }
}
