import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import type { Actor } from '../access/actor.js';
import { AuditEventEntity } from './audit-event.entity.js';

export interface AuditRecord {
  /** `<resource>.<verb>`, for example `trace_session.stop`. */
  readonly action: string;
  readonly resource: { readonly kind: string; readonly id: string | null };
  /** What was changed. Never a secret. */
  readonly detail?: Readonly<Record<string, unknown>>;
}

/** Writes who changed what. In the transaction of the change, so that there is none without the other. */
@Injectable()
export class AuditTrail {
  async record(
    manager: EntityManager,
    actor: Actor,
    { action, resource, detail }: AuditRecord,
  ): Promise<void> {
    const row: Omit<AuditEventEntity, 'occurredAt'> = {
      id: uuidv7(),
      tokenId: actor.kind === 'token' ? actor.tokenId : null,
      actorName: actor.name,
      action,
      resourceKind: resource.kind,
      resourceId: resource.id,
      detail: { ...detail },
    };
    await manager.getRepository(AuditEventEntity).insert(row as never);
  }
}
