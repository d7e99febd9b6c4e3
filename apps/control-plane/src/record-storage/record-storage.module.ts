import { Module } from '@nestjs/common';
import { PartitionService } from './partition.service.js';
import { PartitionStore } from './partition.store.js';
import { WindowLossStore } from './window-loss.store.js';

/** What all kinds of records share: partitions and their retention, and the loss that belongs to every answer. */
@Module({
  providers: [PartitionService, PartitionStore, WindowLossStore],
  exports: [PartitionService, WindowLossStore],
})
export class RecordStorageModule {}
