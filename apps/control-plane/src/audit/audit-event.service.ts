import { Injectable } from '@nestjs/common';
import type { AuditEvent, AuditEventListQuery } from '@synscope/api-contract';
import { z } from 'zod';
import { KeysetList } from '../lists/keyset-list.js';
import { AuditEventStore } from './audit-event.store.js';

@Injectable()
export class AuditEventService {
  constructor(private readonly store: AuditEventStore) {}

  list(query: AuditEventListQuery): KeysetList<AuditEvent> {
    return new KeysetList({
      name: 'audit-events',
      query,
      position: z.tuple([z.guid()]).readonly(),
      fetch: async ({ after, limit, window }) =>
        (await this.store.list(query, window, after?.[0] ?? null, limit)).map((item) => ({
          item,
          position: [item.id] as const,
        })),
    });
  }
}
