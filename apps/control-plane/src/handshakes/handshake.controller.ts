import { Controller, Get, Param, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import {
  type Handshake,
  type HandshakeDetail,
  type HandshakeHeatmap,
  type HandshakeHeatmapQuery,
  type HandshakeListQuery,
  type HandshakeSummary,
  type HandshakeSummaryQuery,
  handshakeDetailSchema,
  handshakeHeatmapQuerySchema,
  handshakeHeatmapSchema,
  handshakeListQuerySchema,
  handshakeListSchema,
  handshakeSchema,
  handshakeSummaryQuerySchema,
  handshakeSummarySchema,
  type IdentifierParams,
  identifierParamsSchema,
} from '@synscope/api-contract';
import { RequireRole } from '../access/require-role.js';
import { Endpoint, ListEndpoint } from '../http/endpoint.js';
import type { KeysetList } from '../lists/keyset-list.js';
import { HandshakeService } from './handshake.service.js';
import { HandshakeHeatmapService } from './handshake-heatmap.service.js';

@ApiTags('Handshakes')
@Controller('handshakes')
export class HandshakeController {
  constructor(
    private readonly handshakes: HandshakeService,
    private readonly heatmaps: HandshakeHeatmapService,
  ) {}

  @Get()
  @RequireRole('viewer')
  @ListEndpoint({
    summary: 'List handshakes',
    description:
      'TCP handshakes of the whole fleet, newest or slowest first. Filters are ANDed, values in one filter ORed. What is slower than 20 ms or failed is found by an index; anything else is looked for from the newest on.',
    item: handshakeSchema,
    list: handshakeListSchema,
  })
  list(@Query({ schema: handshakeListQuerySchema }) query: HandshakeListQuery): KeysetList<Handshake> {
    return this.handshakes.list(query);
  }

  @Get('summary')
  @RequireRole('viewer')
  @Endpoint({
    summary: 'Summarize handshakes',
    description:
      'Counts and latency percentiles by group. Computed from every record of the window, at most 31 days.',
    response: handshakeSummarySchema,
  })
  summarize(
    @Query({ schema: handshakeSummaryQuerySchema }) query: HandshakeSummaryQuery,
  ): Promise<HandshakeSummary> {
    return this.handshakes.summarize(query);
  }

  @Get('heatmap')
  @RequireRole('viewer')
  @Endpoint({
    summary: 'Handshake latency over time',
    description:
      'How many handshakes fell into each latency bucket, step by step. At most 31 days and 1500 steps.',
    response: handshakeHeatmapSchema,
  })
  heatmap(
    @Query({ schema: handshakeHeatmapQuerySchema }) query: HandshakeHeatmapQuery,
  ): Promise<HandshakeHeatmap> {
    return this.heatmaps.heatmap(query);
  }

  @Get(':id')
  @RequireRole('viewer')
  @Endpoint({
    summary: 'Get a handshake',
    description:
      'One handshake, with the record of the other end and where the time went, if both are known.',
    response: handshakeDetailSchema,
    errors: { 404: 'There is no such handshake, or retention is over.' },
  })
  get(@Param({ schema: identifierParamsSchema }) { id }: IdentifierParams): Promise<HandshakeDetail> {
    return this.handshakes.get(id);
  }
}
