import { Module } from '@nestjs/common';
import { RecordQueriesModule } from '../record-queries/record-queries.module.js';
import { ListenerController } from './listener.controller.js';
import { ListenerService } from './listener.service.js';
import { ListenerStore } from './listener.store.js';
import { ListenerSampleController } from './listener-sample.controller.js';

@Module({
  imports: [RecordQueriesModule],
  controllers: [ListenerController, ListenerSampleController],
  providers: [ListenerService, ListenerStore],
})
export class ListenersModule {}
