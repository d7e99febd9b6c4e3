import { Injectable } from '@nestjs/common';
import type {
  DnsQuery,
  DnsQueryListQuery,
  DnsQuerySummary,
  DnsQuerySummaryQuery,
} from '@synscope/api-contract';
import { Probe } from '@synscope/protocol';
import { notFound } from '../errors/api-error.js';
import type { KeysetList } from '../lists/keyset-list.js';
import { RecordLists } from '../record-queries/record-lists.js';
import { RecordReader } from '../record-queries/record-reader.js';
import { RecordSummaries } from '../record-queries/record-summaries.js';
import { DNS_QUERIES, dnsQuerySummary } from './dns-query-kind.js';

@Injectable()
export class DnsQueryService {
  constructor(
    private readonly reader: RecordReader,
    private readonly lists: RecordLists,
    private readonly summaries: RecordSummaries,
  ) {}

  list(query: DnsQueryListQuery): KeysetList<DnsQuery> {
    return this.lists.list('dns-queries', Probe.DNS, DNS_QUERIES, query);
  }

  summarize({ suffixLabels, ...query }: DnsQuerySummaryQuery): Promise<DnsQuerySummary> {
    return this.summaries.summarize(Probe.DNS, dnsQuerySummary(suffixLabels), query);
  }

  async get(id: string): Promise<DnsQuery> {
    const query = await this.reader.find(DNS_QUERIES, id);
    if (!query) throw notFound('DNS query', id);
    return query;
  }
}
