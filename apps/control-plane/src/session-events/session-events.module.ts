import { Module } from '@nestjs/common';
import { AccessModule } from '../access/access.module.js';
import { ChangeFeedModule } from '../change-feed/change-feed.module.js';
import { RecordQueriesModule } from '../record-queries/record-queries.module.js';
import { TraceSessionsModule } from '../trace-sessions/trace-sessions.module.js';
import { BatchRecords } from './batch-records.service.js';
import { EventStreamMetrics } from './event-stream.metrics.js';
import { EventStreamBegin } from './event-stream-begin.js';
import { SessionEventController } from './session-event.controller.js';
import { SessionEventService } from './session-event.service.js';
import { SessionEventStreams } from './session-event-streams.js';
import { SessionWatch } from './session-watch.js';
import { StoredBatchStore } from './stored-batch.store.js';

@Module({
  imports: [AccessModule, ChangeFeedModule, RecordQueriesModule, TraceSessionsModule],
  controllers: [SessionEventController],
  providers: [
    BatchRecords,
    EventStreamBegin,
    EventStreamMetrics,
    SessionEventService,
    SessionEventStreams,
    SessionWatch,
    StoredBatchStore,
  ],
})
export class SessionEventsModule {}
