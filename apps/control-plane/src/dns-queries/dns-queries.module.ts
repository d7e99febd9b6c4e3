import { Module } from '@nestjs/common';
import { RecordQueriesModule } from '../record-queries/record-queries.module.js';
import { DnsQueryController } from './dns-query.controller.js';
import { DnsQueryService } from './dns-query.service.js';

@Module({
  imports: [RecordQueriesModule],
  controllers: [DnsQueryController],
  providers: [DnsQueryService],
  exports: [DnsQueryService],
})
export class DnsQueriesModule {}
