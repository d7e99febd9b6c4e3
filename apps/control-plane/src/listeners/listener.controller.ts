import { Controller, Get, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import {
  type Listener,
  type ListenerListQuery,
  listenerListQuerySchema,
  listenerListSchema,
  listenerSchema,
} from '@synscope/api-contract';
import { RequireRole } from '../access/require-role.js';
import { ListEndpoint } from '../http/endpoint.js';
import type { KeysetList } from '../lists/keyset-list.js';
import { ListenerService } from './listener.service.js';

@ApiTags('Listeners')
@Controller('listeners')
export class ListenerController {
  constructor(private readonly listeners: ListenerService) {}

  @Get()
  @RequireRole('viewer')
  @ListEndpoint({
    summary: 'List listening sockets',
    description:
      'Listening TCP sockets of the whole fleet, each as its newest sample in the window tells, with the sums of the window: SYNs, what was refused or dropped and why, the peaks of both queues. `refusing=true&order=-refused` shows where connections are lost on the server. Measured while a session traces `listener` on the host. Computed from every sample of the window, at most 31 days.',
    item: listenerSchema,
    list: listenerListSchema,
  })
  list(@Query({ schema: listenerListQuerySchema }) query: ListenerListQuery): KeysetList<Listener> {
    return this.listeners.list(query);
  }
}
