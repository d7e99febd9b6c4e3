import { Module } from '@nestjs/common';
import { AuditModule } from '../audit/audit.module.js';
import { DnsQueriesModule } from '../dns-queries/dns-queries.module.js';
import { HandshakesModule } from '../handshakes/handshakes.module.js';
import { WebhookEventsModule } from '../webhook-events/webhook-events.module.js';
import { ThresholdController } from './threshold.controller.js';
import { ThresholdService } from './threshold.service.js';
import { ThresholdStore } from './threshold.store.js';
import { ThresholdEvaluator } from './threshold-evaluator.js';
import { ThresholdMeasurement } from './threshold-measurement.js';

@Module({
  imports: [AuditModule, DnsQueriesModule, HandshakesModule, WebhookEventsModule],
  controllers: [ThresholdController],
  providers: [ThresholdEvaluator, ThresholdMeasurement, ThresholdService, ThresholdStore],
})
export class ThresholdsModule {}
