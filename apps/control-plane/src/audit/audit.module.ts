import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AuditEventController } from './audit-event.controller.js';
import { AuditEventEntity } from './audit-event.entity.js';
import { AuditEventService } from './audit-event.service.js';
import { AuditEventStore } from './audit-event.store.js';
import { AuditTrail } from './audit-trail.js';

@Module({
  imports: [TypeOrmModule.forFeature([AuditEventEntity])],
  controllers: [AuditEventController],
  providers: [AuditEventStore, AuditEventService, AuditTrail],
  exports: [AuditTrail],
})
export class AuditModule {}
