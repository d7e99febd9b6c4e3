import { Injectable } from '@nestjs/common';
import {
  addressSchema,
  type Listener,
  type ListenerListQuery,
  type ListenerSample,
  type ListenerSampleListQuery,
} from '@synscope/api-contract';
import { Probe } from '@synscope/protocol';
import { z } from 'zod';
import { notFound } from '../errors/api-error.js';
import { KeysetList } from '../lists/keyset-list.js';
import { RecordLists } from '../record-queries/record-lists.js';
import { RecordReader } from '../record-queries/record-reader.js';
import { RecordScopeService } from '../record-queries/record-scope.service.js';
import { ListenerStore } from './listener.store.js';
import { LISTENER_SAMPLES } from './listener-sample-kind.js';

const listenerPosition = z.tuple([z.int(), z.int(), addressSchema, z.guid(), z.int(), z.int()]);

@Injectable()
export class ListenerService {
  constructor(
    private readonly store: ListenerStore,
    private readonly reader: RecordReader,
    private readonly lists: RecordLists,
    private readonly scopes: RecordScopeService,
  ) {}

  list(listQuery: ListenerListQuery): KeysetList<Listener> {
    const query = this.scopes.withDefaultSince(listQuery);
    const nowMs = Date.now();
    return new KeysetList({
      name: 'listeners',
      query,
      nowMs,
      position: listenerPosition,
      fetch: async ({ after, limit, window }) => {
        const bounds = { since: window.since ?? undefined, until: window.until ?? undefined };
        const scope = await this.scopes.resolveBounded({ ...query, ...bounds }, nowMs);
        return this.store.list(scope, query.order, after, limit);
      },
      loss: async (window) =>
        this.scopes.lossOf(await this.scopes.within(query, window, nowMs), Probe.LISTENER),
    });
  }

  listSamples(query: ListenerSampleListQuery): KeysetList<ListenerSample> {
    return this.lists.list('listener-samples', Probe.LISTENER, LISTENER_SAMPLES, query);
  }

  async getSample(id: string): Promise<ListenerSample> {
    const sample = await this.reader.find(LISTENER_SAMPLES, id);
    if (!sample) throw notFound('listener sample', id);
    return sample;
  }
}
