import { Injectable } from '@nestjs/common';
import type { RecordOrder } from '@synscope/api-contract';
import type { Probe } from '@synscope/protocol';
import { z } from 'zod';
import { KeysetList, type KeysetListQuery } from '../lists/keyset-list.js';
import type { TimeWindow } from '../lists/time-window.js';
import type { RecordKind } from './record-kind.js';
import { RecordReader } from './record-reader.js';
import type { RecordRow } from './record-row.js';
import type { LatencyFilter } from './record-scope.js';
import { RecordScopeService } from './record-scope.service.js';

const timePosition = z.tuple([z.guid()]);
const latencyPosition = z.tuple([z.int().min(0).nullable(), z.guid()]);

/** Lists of records of any kind, newest or slowest first. */
@Injectable()
export class RecordLists {
  constructor(
    private readonly reader: RecordReader,
    private readonly scopes: RecordScopeService,
  ) {}

  /** `name` is that of the list, `probe` the one whose loss concerns it. */
  list<Row extends RecordRow, T, F extends LatencyFilter>(
    name: string,
    probe: Probe,
    kind: RecordKind<Row, T, F>,
    listQuery: F & KeysetListQuery & { readonly order?: RecordOrder },
  ): KeysetList<T> {
    const query = this.scopes.withDefaultSince(listQuery);
    const nowMs = Date.now();
    const scopeOf = (window: TimeWindow) => this.scopes.within<F>(query, window, nowMs);
    const common = {
      name,
      query,
      nowMs,
      loss: async (window: TimeWindow) => this.scopes.lossOf(await scopeOf(window), probe),
    };
    if (query.order === '-latencyUs') {
      return new KeysetList({
        ...common,
        position: latencyPosition,
        fetch: async ({ after, limit, window }) => {
          const position = after && { latencyUs: after[0], id: after[1] };
          const scope = await scopeOf(window);
          const found = await this.reader.listByLatency(kind, scope, position, limit, nowMs);
          return found.map(({ item, latencyUs, id }) => ({ item, position: [latencyUs, id] as const }));
        },
      });
    }
    return new KeysetList({
      ...common,
      position: timePosition,
      fetch: async ({ after, limit, window }) => {
        const scope = await scopeOf(window);
        const found = await this.reader.listByTime(kind, scope, after?.[0] ?? null, limit, nowMs);
        return found.map(({ item, id }) => ({ item, position: [id] as const }));
      },
    });
  }
}
