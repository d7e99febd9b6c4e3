import { Controller, Get, Param, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import {
  type DnsQuery,
  type DnsQueryListQuery,
  type DnsQuerySummary,
  type DnsQuerySummaryQuery,
  dnsQueryListQuerySchema,
  dnsQueryListSchema,
  dnsQuerySchema,
  dnsQuerySummaryQuerySchema,
  dnsQuerySummarySchema,
  type IdentifierParams,
  identifierParamsSchema,
} from '@synscope/api-contract';
import { RequireRole } from '../access/require-role.js';
import { Endpoint, ListEndpoint } from '../http/endpoint.js';
import type { KeysetList } from '../lists/keyset-list.js';
import { DnsQueryService } from './dns-query.service.js';

@ApiTags('DNS')
@Controller('dns-queries')
export class DnsQueryController {
  constructor(private readonly queries: DnsQueryService) {}

  @Get()
  @RequireRole('viewer')
  @ListEndpoint({
    summary: 'List DNS queries',
    description:
      'DNS queries of the whole fleet as packets showed them, newest or slowest first. Filters are ANDed, values in one filter ORed. What took 20 ms or longer, was answered late or not at all is found by an index; anything else is looked for from the newest on. Not seen: DNS over TLS, HTTPS or QUIC (`/name-lookups` shows what applications waited for), and multicast DNS.',
    item: dnsQuerySchema,
    list: dnsQueryListSchema,
  })
  list(@Query({ schema: dnsQueryListQuerySchema }) query: DnsQueryListQuery): KeysetList<DnsQuery> {
    return this.queries.list(query);
  }

  @Get('summary')
  @RequireRole('viewer')
  @Endpoint({
    summary: 'Summarize DNS queries',
    description:
      'Which names are slow, on which server, for whom: `groupBy=queryName,serverAddress&order=-p99`. Counts and latency percentiles by group, over the queries that were answered, in time or late. In an order of latency, groups in which nothing was answered come first. Computed from every record of the window, at most 31 days.',
    response: dnsQuerySummarySchema,
  })
  summarize(
    @Query({ schema: dnsQuerySummaryQuerySchema }) query: DnsQuerySummaryQuery,
  ): Promise<DnsQuerySummary> {
    return this.queries.summarize(query);
  }

  @Get(':id')
  @RequireRole('viewer')
  @Endpoint({
    summary: 'Get a DNS query',
    description: 'One DNS query with what became of it.',
    response: dnsQuerySchema,
    errors: { 404: 'There is no such query, or retention is over.' },
  })
  get(@Param({ schema: identifierParamsSchema }) { id }: IdentifierParams): Promise<DnsQuery> {
    return this.queries.get(id);
  }
}
