import { Controller, Get, Param, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import {
  type IdentifierParams,
  identifierParamsSchema,
  type ListenerSample,
  type ListenerSampleListQuery,
  listenerSampleListQuerySchema,
  listenerSampleListSchema,
  listenerSampleSchema,
} from '@synscope/api-contract';
import { RequireRole } from '../access/require-role.js';
import { Endpoint, ListEndpoint } from '../http/endpoint.js';
import type { KeysetList } from '../lists/keyset-list.js';
import { ListenerService } from './listener.service.js';

@ApiTags('Listeners')
@Controller('listener-samples')
export class ListenerSampleController {
  constructor(private readonly listeners: ListenerService) {}

  @Get()
  @RequireRole('viewer')
  @ListEndpoint({
    summary: 'List samples of listening sockets',
    description:
      'The history of listening TCP sockets, newest first: one sample per socket and second in which something came, else every 30 s. `agentId` and `socketCookie` of a listener give its own.',
    item: listenerSampleSchema,
    list: listenerSampleListSchema,
  })
  list(
    @Query({ schema: listenerSampleListQuerySchema }) query: ListenerSampleListQuery,
  ): KeysetList<ListenerSample> {
    return this.listeners.listSamples(query);
  }

  @Get(':id')
  @RequireRole('viewer')
  @Endpoint({
    summary: 'Get a sample of a listening socket',
    description: 'One sample of a listening socket.',
    response: listenerSampleSchema,
    errors: { 404: 'There is no such sample, or retention is over.' },
  })
  get(@Param({ schema: identifierParamsSchema }) { id }: IdentifierParams): Promise<ListenerSample> {
    return this.listeners.getSample(id);
  }
}
