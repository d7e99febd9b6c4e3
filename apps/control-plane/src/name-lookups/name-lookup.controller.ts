import { Controller, Get, Param, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import {
  type IdentifierParams,
  identifierParamsSchema,
  type NameLookup,
  type NameLookupListQuery,
  type NameLookupSummary,
  type NameLookupSummaryQuery,
  nameLookupListQuerySchema,
  nameLookupListSchema,
  nameLookupSchema,
  nameLookupSummaryQuerySchema,
  nameLookupSummarySchema,
} from '@synscope/api-contract';
import { RequireRole } from '../access/require-role.js';
import { Endpoint, ListEndpoint } from '../http/endpoint.js';
import type { KeysetList } from '../lists/keyset-list.js';
import { NameLookupService } from './name-lookup.service.js';

@ApiTags('DNS')
@Controller('name-lookups')
export class NameLookupController {
  constructor(private readonly lookups: NameLookupService) {}

  @Get()
  @RequireRole('viewer')
  @ListEndpoint({
    summary: 'List name lookups',
    description:
      'Calls of getaddrinfo() on the whole fleet: what applications waited for, whichever way the name was looked up. Newest or slowest first. Filters are ANDed, values in one filter ORed. What took 20 ms or longer or failed is found by an index. Not seen: programs that bring their own resolver (Go without cgo, statically linked musl).',
    item: nameLookupSchema,
    list: nameLookupListSchema,
  })
  list(@Query({ schema: nameLookupListQuerySchema }) query: NameLookupListQuery): KeysetList<NameLookup> {
    return this.lookups.list(query);
  }

  @Get('summary')
  @RequireRole('viewer')
  @Endpoint({
    summary: 'Summarize name lookups',
    description:
      'Which names applications wait for, and for how long: `groupBy=name,processName&order=-p99`. Computed from every record of the window, at most 31 days.',
    response: nameLookupSummarySchema,
  })
  summarize(
    @Query({ schema: nameLookupSummaryQuerySchema }) query: NameLookupSummaryQuery,
  ): Promise<NameLookupSummary> {
    return this.lookups.summarize(query);
  }

  @Get(':id')
  @RequireRole('viewer')
  @Endpoint({
    summary: 'Get a name lookup',
    description: 'One call of getaddrinfo().',
    response: nameLookupSchema,
    errors: { 404: 'There is no such lookup, or retention is over.' },
  })
  get(@Param({ schema: identifierParamsSchema }) { id }: IdentifierParams): Promise<NameLookup> {
    return this.lookups.get(id);
  }
}
