import { Module } from '@nestjs/common';
import { AgentLivenessModule } from '../agent-liveness/agent-liveness.module.js';
import { AuditModule } from '../audit/audit.module.js';
import { ChangeFeedModule } from '../change-feed/change-feed.module.js';
import { LossSummariesModule } from '../loss-summaries/loss-summaries.module.js';
import { TraceSessionsModule } from '../trace-sessions/trace-sessions.module.js';
import { AgentController } from './agent.controller.js';
import { AgentService } from './agent.service.js';
import { AgentStore } from './agent.store.js';
import { AgentArrivalStore } from './agent-arrival.store.js';
import { AgentBootStore } from './agent-boot.store.js';
import { AgentChangeRecorder } from './agent-change-recorder.js';
import { AgentPresenceStore } from './agent-presence.store.js';

@Module({
  imports: [AgentLivenessModule, AuditModule, ChangeFeedModule, LossSummariesModule, TraceSessionsModule],
  controllers: [AgentController],
  providers: [
    AgentService,
    AgentStore,
    AgentPresenceStore,
    AgentArrivalStore,
    AgentBootStore,
    AgentChangeRecorder,
  ],
  exports: [AgentArrivalStore, AgentPresenceStore, AgentChangeRecorder],
})
export class AgentsModule {}
