import { Injectable } from '@nestjs/common';
import type { Handshake, HandshakeDetail, HandshakeListQuery } from '@synscope/api-contract';
import { z } from 'zod';
import { notFound } from '../errors/api-error.js';
import { KeysetList } from '../lists/keyset-list.js';
import type { TimeWindow } from '../lists/time-window.js';
import { HandshakeStore } from './handshake.store.js';
import { HandshakeScopeService } from './handshake-scope.service.js';

const NAME = 'handshakes';
const timePosition = z.tuple([z.guid()]);
const latencyPosition = z.tuple([z.int().min(0).nullable(), z.guid()]);

@Injectable()
export class HandshakeService {
  constructor(
    private readonly store: HandshakeStore,
    private readonly scopes: HandshakeScopeService,
  ) {}

  list(listQuery: HandshakeListQuery): KeysetList<Handshake> {
    const query = this.scopes.withDefaultSince(listQuery);
    const nowMs = Date.now();
    const scopeOf = (window: TimeWindow) => this.scopes.within(query, window, nowMs);
    const common = {
      name: NAME,
      query,
      nowMs,
      loss: async (window: TimeWindow) => this.scopes.lossOf(await scopeOf(window)),
    };
    if (query.order === '-latencyUs') {
      return new KeysetList({
        ...common,
        position: latencyPosition,
        fetch: async ({ after, limit, window }) => {
          const position = after && { latencyUs: after[0], id: after[1] };
          const found = await this.store.listByLatency(await scopeOf(window), position, limit, nowMs);
          return found.map((item) => ({ item, position: [item.latencyUs, item.id] as const }));
        },
      });
    }
    return new KeysetList({
      ...common,
      position: timePosition,
      fetch: async ({ after, limit, window }) => {
        const found = await this.store.listByTime(await scopeOf(window), after?.[0] ?? null, limit, nowMs);
        return found.map((item) => ({ item, position: [item.id] as const }));
      },
    });
  }

  async get(id: string): Promise<HandshakeDetail> {
    const handshake = await this.store.find(id);
    if (!handshake) throw notFound('handshake', id);
    return { ...handshake, peer: null, breakdown: null };
  }
}
