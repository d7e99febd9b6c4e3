import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import type { Actor } from '../access/actor.js';
import { AuditEventEntity } from './audit-event.entity.js';
import { withoutEqualFields, withoutSecrets } from './audited-values.js';

export interface AuditRecord {
  /** `<resource>.<verb>`, for example `trace_session.stop`. */
  readonly action: string;
  readonly resource: { readonly kind: string; readonly id: string | null };
  /** What is changed or deleted, as it was. Leave it out for a creation. Give all of it: of a change only what differs is kept. */
  readonly before?: object;
  /** What is changed or created, as it is from now on. Leave it out for a deletion. */
  readonly after?: object;
  /** What else there is to say. */
  readonly detail?: Readonly<Record<string, unknown>>;
}

/** Writes who changed what. In the transaction of the change, so that there is none without the other. */
@Injectable()
export class AuditTrail {
  /** Fields that by their name hold a secret are kept as a word that says so, at any depth. */
  async record(
    manager: EntityManager,
    actor: Actor,
    { action, resource, before, after, detail = {} }: AuditRecord,
  ): Promise<void> {
    const source = actor.kind === 'token' ? actor.source : undefined;
    const changed = withoutEqualFields(withoutSecrets(before), withoutSecrets(after));
    const row: Omit<AuditEventEntity, 'occurredAt'> = {
      id: uuidv7(),
      tokenId: actor.kind === 'token' ? actor.tokenId : null,
      actorName: actor.name,
      action,
      resourceKind: resource.kind,
      resourceId: resource.id,
      before: changed.before,
      after: changed.after,
      detail: withoutSecrets(detail) ?? {},
      sourceAddress: source?.address ?? null,
      requestId: source?.requestId ?? null,
    };
    await manager.getRepository(AuditEventEntity).insert(row as never);
  }
}
