import { Module } from '@nestjs/common';
import { RecordStorageModule } from '../record-storage/record-storage.module.js';
import { IngestMetrics } from './ingest.metrics.js';
import { IngestService } from './ingest.service.js';
import { IngestWriter } from './ingest.writer.js';

@Module({
  imports: [RecordStorageModule],
  providers: [IngestService, IngestWriter, IngestMetrics],
  exports: [IngestService],
})
export class IngestModule {}
