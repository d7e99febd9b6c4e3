import { Module } from '@nestjs/common';
import { RecordQueriesModule } from '../record-queries/record-queries.module.js';
import { ReceiveQueueDropController } from './receive-queue-drop.controller.js';
import { ReceiveQueueDropService } from './receive-queue-drop.service.js';

@Module({
  imports: [RecordQueriesModule],
  controllers: [ReceiveQueueDropController],
  providers: [ReceiveQueueDropService],
})
export class ReceiveQueueDropsModule {}
