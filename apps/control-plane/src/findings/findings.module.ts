import { Module } from '@nestjs/common';
import { AuditModule } from '../audit/audit.module.js';
import { WebhookEventsModule } from '../webhook-events/webhook-events.module.js';
import { ArrivalReader } from './engine/arrival-reader.js';
import { EngineStateStore } from './engine/engine-state.store.js';
import { FindingMetrics } from './engine/finding.metrics.js';
import { FindingEngine } from './engine/finding-engine.js';
import { FindingWriter } from './engine/finding-writer.js';
import { RuleRunner } from './engine/rule-runner.js';
import { ArrivalStore } from './evidence/arrival.store.js';
import { CoverageStore } from './evidence/coverage.store.js';
import { EvidenceReader } from './evidence/evidence-reader.js';
import { PeerStore } from './evidence/peer.store.js';
import { QuestionStore } from './evidence/question.store.js';
import { Situations } from './evidence/situations.js';
import { FindingController } from './finding.controller.js';
import { FindingService } from './finding.service.js';
import { FindingStore } from './finding.store.js';
import { FindingRuleController } from './finding-rule.controller.js';

@Module({
  imports: [AuditModule, WebhookEventsModule],
  controllers: [FindingController, FindingRuleController],
  providers: [
    ArrivalReader,
    ArrivalStore,
    CoverageStore,
    EngineStateStore,
    EvidenceReader,
    FindingEngine,
    FindingMetrics,
    FindingService,
    FindingStore,
    FindingWriter,
    PeerStore,
    QuestionStore,
    RuleRunner,
    Situations,
  ],
  exports: [CoverageStore, EvidenceReader, RuleRunner],
})
export class FindingsModule {}
