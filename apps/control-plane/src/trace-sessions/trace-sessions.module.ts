import { Module } from '@nestjs/common';
import { AgentLivenessModule } from '../agent-liveness/agent-liveness.module.js';
import { AuditModule } from '../audit/audit.module.js';
import { ChangeFeedModule } from '../change-feed/change-feed.module.js';
import { LossSummariesModule } from '../loss-summaries/loss-summaries.module.js';
import { WebhookEventsModule } from '../webhook-events/webhook-events.module.js';
import { SessionChangeRecorder } from './session-change-recorder.js';
import { SessionControl } from './session-control.js';
import { SessionEnd } from './session-end.js';
import { SessionProgress } from './session-progress.js';
import { SessionProgressStore } from './session-progress.store.js';
import { SessionStarter } from './session-starter.js';
import { SessionTargetStore } from './session-target.store.js';
import { SessionTargetList } from './session-target-list.js';
import { SessionTargets } from './session-targets.js';
import { SessionWaiting } from './session-waiting.js';
import { StatusReports } from './status-reports.js';
import { TraceSessionController } from './trace-session.controller.js';
import { TraceSessionService } from './trace-session.service.js';
import { TraceSessionStore } from './trace-session.store.js';

@Module({
  imports: [AgentLivenessModule, AuditModule, ChangeFeedModule, LossSummariesModule, WebhookEventsModule],
  controllers: [TraceSessionController],
  providers: [
    SessionChangeRecorder,
    SessionControl,
    SessionEnd,
    SessionProgress,
    SessionProgressStore,
    SessionStarter,
    SessionTargetList,
    SessionTargets,
    StatusReports,
    SessionTargetStore,
    SessionWaiting,
    TraceSessionService,
    TraceSessionStore,
  ],
  exports: [SessionControl, SessionTargets],
})
export class TraceSessionsModule {}
