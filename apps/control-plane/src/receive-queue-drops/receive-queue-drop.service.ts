import { Injectable } from '@nestjs/common';
import type { ReceiveQueueDrop, ReceiveQueueDropListQuery } from '@synscope/api-contract';
import { Probe } from '@synscope/protocol';
import type { KeysetList } from '../lists/keyset-list.js';
import { RecordLists } from '../record-queries/record-lists.js';
import { RECEIVE_QUEUE_DROPS } from './receive-queue-drop-kind.js';

@Injectable()
export class ReceiveQueueDropService {
  constructor(private readonly lists: RecordLists) {}

  list(query: ReceiveQueueDropListQuery): KeysetList<ReceiveQueueDrop> {
    return this.lists.list('receive-queue-drops', Probe.DNS, RECEIVE_QUEUE_DROPS, query);
  }
}
