import { Module } from '@nestjs/common';
import { RecordStorageModule } from '../record-storage/record-storage.module.js';
import { RecordLists } from './record-lists.js';
import { RecordReader } from './record-reader.js';
import { RecordScopeService } from './record-scope.service.js';
import { RecordScopeStore } from './record-scope.store.js';
import { RecordSummaries } from './record-summaries.js';
import { RecordSummaryStore } from './record-summary.store.js';

/** What all kinds of records share when they are read: filters, orders, figures. A kind describes itself by a RecordKind and a SummaryKind. */
@Module({
  imports: [RecordStorageModule],
  providers: [
    RecordLists,
    RecordReader,
    RecordScopeService,
    RecordScopeStore,
    RecordSummaries,
    RecordSummaryStore,
  ],
  exports: [RecordLists, RecordReader, RecordScopeService, RecordSummaries],
})
export class RecordQueriesModule {}
