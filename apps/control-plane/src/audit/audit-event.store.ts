import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { type AuditEvent, type AuditEventListQuery, formatDate } from '@synscope/api-contract';
import { Repository } from 'typeorm';
import type { TimeWindow } from '../lists/time-window.js';
import { AuditEventEntity } from './audit-event.entity.js';

@Injectable()
export class AuditEventStore {
  constructor(
    @InjectRepository(AuditEventEntity) private readonly repository: Repository<AuditEventEntity>,
  ) {}

  /** Newest first; ids are UUIDv7, so their order is that of time. */
  async list(
    filter: AuditEventListQuery,
    window: TimeWindow,
    afterId: string | null,
    limit: number,
  ): Promise<AuditEvent[]> {
    const builder = this.repository.createQueryBuilder('event').orderBy('event.id', 'DESC').take(limit);
    if (afterId !== null) builder.andWhere('event.id < :afterId', { afterId });
    if (window.since !== null) builder.andWhere('event.occurredAt >= :since', { since: window.since });
    if (window.until !== null) builder.andWhere('event.occurredAt < :until', { until: window.until });
    if (filter.action !== undefined) builder.andWhere('event.action = :action', { action: filter.action });
    if (filter.tokenId !== undefined)
      builder.andWhere('event.tokenId = :tokenId', { tokenId: filter.tokenId });
    if (filter.requestId !== undefined)
      builder.andWhere('event.requestId = :requestId', { requestId: filter.requestId });
    if (filter.resourceId !== undefined)
      builder.andWhere('event.resourceId = :resourceId', { resourceId: filter.resourceId });
    return (await builder.getMany()).map(toAuditEvent);
  }
}

function toAuditEvent(row: AuditEventEntity): AuditEvent {
  return {
    id: row.id,
    occurredAt: formatDate(row.occurredAt),
    actor: { tokenId: row.tokenId, name: row.actorName },
    action: row.action,
    resource: { kind: row.resourceKind, id: row.resourceId },
    source: { address: row.sourceAddress, requestId: row.requestId },
    before: row.before,
    after: row.after,
    detail: row.detail,
  };
}
