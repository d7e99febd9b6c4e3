import { Injectable } from '@nestjs/common';
import type { HandshakeHeatmap, HandshakeHeatmapQuery } from '@synscope/api-contract';
import { Probe } from '@synscope/protocol';
import { lengthUs, RecordScopeService } from '../record-queries/record-scope.service.js';
import { tooManySteps } from './handshake.errors.js';
import { HandshakeHeatmapStore } from './handshake-heatmap.store.js';

const MICROSECONDS_PER_SECOND = 1_000_000;
const MOST_STEPS = 1_500;

@Injectable()
export class HandshakeHeatmapService {
  constructor(
    private readonly store: HandshakeHeatmapStore,
    private readonly scopes: RecordScopeService,
  ) {}

  async heatmap(query: HandshakeHeatmapQuery): Promise<HandshakeHeatmap> {
    const scope = await this.scopes.resolveBounded(query, Date.now());
    const past = { ...scope, until: earlier(scope.until, new Date().toISOString()) };
    const steps = Math.ceil(lengthUs(past) / (query.step * MICROSECONDS_PER_SECOND));
    if (steps > MOST_STEPS) throw tooManySteps(steps, MOST_STEPS);
    const [heatmap, loss] = await Promise.all([
      this.store.heatmap(scope, query.step),
      this.scopes.lossOf(scope, Probe.TCP_HANDSHAKE),
    ]);
    return { ...heatmap, loss };
  }
}

function earlier(left: string, right: string): string {
  return Date.parse(left) < Date.parse(right) ? left : right;
}
