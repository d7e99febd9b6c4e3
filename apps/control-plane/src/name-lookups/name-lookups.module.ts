import { Module } from '@nestjs/common';
import { RecordQueriesModule } from '../record-queries/record-queries.module.js';
import { NameLookupController } from './name-lookup.controller.js';
import { NameLookupService } from './name-lookup.service.js';

@Module({
  imports: [RecordQueriesModule],
  controllers: [NameLookupController],
  providers: [NameLookupService],
})
export class NameLookupsModule {}
