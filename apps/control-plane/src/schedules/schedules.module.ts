import { Module } from '@nestjs/common';
import { AuditModule } from '../audit/audit.module.js';
import { ChangeFeedModule } from '../change-feed/change-feed.module.js';
import { TraceSessionsModule } from '../trace-sessions/trace-sessions.module.js';
import { ScheduleController } from './schedule.controller.js';
import { ScheduleService } from './schedule.service.js';
import { ScheduleStore } from './schedule.store.js';
import { ScheduleChangeRecorder } from './schedule-change-recorder.js';
import { ScheduleCheck } from './schedule-check.js';
import { ScheduleFiring } from './schedule-firing.js';
import { ScheduleRunService } from './schedule-run.service.js';
import { ScheduleRunStore } from './schedule-run.store.js';
import { ScheduleRunner } from './schedule-runner.js';
import { Scheduler } from './scheduler.js';
import { UpcomingRuns } from './upcoming-runs.js';

@Module({
  imports: [AuditModule, ChangeFeedModule, TraceSessionsModule],
  controllers: [ScheduleController],
  providers: [
    ScheduleChangeRecorder,
    ScheduleCheck,
    ScheduleFiring,
    ScheduleRunner,
    ScheduleRunService,
    ScheduleRunStore,
    Scheduler,
    ScheduleService,
    ScheduleStore,
    UpcomingRuns,
  ],
})
export class SchedulesModule {}
