import { Module } from '@nestjs/common';
import { AccessModule } from '../access/access.module.js';
import { ChangeFeedModule } from '../change-feed/change-feed.module.js';
import { RecordQueriesModule } from '../record-queries/record-queries.module.js';
import { TraceSessionsModule } from '../trace-sessions/trace-sessions.module.js';
import { BatchRecords } from './batch-records.service.js';
import { SessionEventController } from './session-event.controller.js';
import { SessionEventService } from './session-event.service.js';
import { SessionWatch } from './session-watch.js';
import { StoredBatchStore } from './stored-batch.store.js';

@Module({
  imports: [AccessModule, ChangeFeedModule, RecordQueriesModule, TraceSessionsModule],
  controllers: [SessionEventController],
  providers: [BatchRecords, SessionEventService, SessionWatch, StoredBatchStore],
})
export class SessionEventsModule {}
