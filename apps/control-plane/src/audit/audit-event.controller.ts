import { Controller, Get, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import {
  type AuditEvent,
  type AuditEventListQuery,
  auditEventListQuerySchema,
  auditEventListSchema,
  auditEventSchema,
} from '@synscope/api-contract';
import { RequireRole } from '../access/require-role.js';
import { ListEndpoint } from '../http/endpoint.js';
import type { KeysetList } from '../lists/keyset-list.js';
import { AuditEventService } from './audit-event.service.js';

@ApiTags('Access')
@Controller('audit-events')
export class AuditEventController {
  constructor(private readonly events: AuditEventService) {}

  @Get()
  @RequireRole('admin')
  @ListEndpoint({
    summary: 'List audit events',
    description: 'Who changed what, newest first.',
    item: auditEventSchema,
    list: auditEventListSchema,
  })
  list(@Query({ schema: auditEventListQuerySchema }) query: AuditEventListQuery): KeysetList<AuditEvent> {
    return this.events.list(query);
  }
}
