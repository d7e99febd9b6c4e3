import { Controller, Get, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import {
  type ReceiveQueueDrop,
  type ReceiveQueueDropListQuery,
  receiveQueueDropListQuerySchema,
  receiveQueueDropListSchema,
  receiveQueueDropSchema,
} from '@synscope/api-contract';
import { RequireRole } from '../access/require-role.js';
import { ListEndpoint } from '../http/endpoint.js';
import type { KeysetList } from '../lists/keyset-list.js';
import { ReceiveQueueDropService } from './receive-queue-drop.service.js';

@ApiTags('DNS')
@Controller('receive-queue-drops')
export class ReceiveQueueDropController {
  constructor(private readonly drops: ReceiveQueueDropService) {}

  @Get()
  @RequireRole('viewer')
  @ListEndpoint({
    summary: 'List receive-queue drops',
    description:
      'Datagrams that arrived at a UDP socket on a DNS port and found no room: with `side=resolver`, evidence that a resolver is overloaded and loses queries; with `side=client`, that answers were lost on the host that had asked. Newest first. Measured while a session traces `dns` on the host. This is loss of the service; what this system itself has lost is in `loss`.',
    item: receiveQueueDropSchema,
    list: receiveQueueDropListSchema,
  })
  list(
    @Query({ schema: receiveQueueDropListQuerySchema }) query: ReceiveQueueDropListQuery,
  ): KeysetList<ReceiveQueueDrop> {
    return this.drops.list(query);
  }
}
