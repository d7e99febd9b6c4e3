import { Injectable } from '@nestjs/common';
import {
  type HandshakeHeatmap,
  type HandshakeHeatmapQuery,
  type HandshakeSummary,
  type HandshakeSummaryQuery,
  resolveTime,
} from '@synscope/api-contract';
import { tooManySteps, windowTooLong } from './handshake.errors.js';
import type { HandshakeScope } from './handshake-conditions.js';
import { HandshakeScopeService } from './handshake-scope.service.js';
import { HandshakeSummaryStore } from './handshake-summary.store.js';

const LONGEST_WINDOW_DAYS = 31;
const MICROSECONDS_PER_SECOND = 1_000_000;
const MICROSECONDS_PER_DAY = 86_400 * MICROSECONDS_PER_SECOND;
const MOST_STEPS = 1_500;

@Injectable()
export class HandshakeSummaryService {
  constructor(
    private readonly store: HandshakeSummaryStore,
    private readonly scopes: HandshakeScopeService,
  ) {}

  async summarize(query: HandshakeSummaryQuery): Promise<HandshakeSummary> {
    const scope = await this.boundedScope(query);
    const { groupBy = [], order, limit } = query;
    const [groups, loss] = await Promise.all([
      this.store.summarize(scope, groupBy, order, limit + 1),
      this.scopes.lossOf(scope),
    ]);
    return { items: groups.slice(0, limit), truncated: groups.length > limit, loss };
  }

  async heatmap(query: HandshakeHeatmapQuery): Promise<HandshakeHeatmap> {
    const scope = await this.boundedScope(query);
    const past = { ...scope, until: earlier(scope.until, new Date().toISOString()) };
    const steps = Math.ceil(lengthUs(past) / (query.step * MICROSECONDS_PER_SECOND));
    if (steps > MOST_STEPS) throw tooManySteps(steps, MOST_STEPS);
    const [heatmap, loss] = await Promise.all([
      this.store.heatmap(scope, query.step),
      this.scopes.lossOf(scope),
    ]);
    return { ...heatmap, loss };
  }

  private async boundedScope(query: HandshakeSummaryQuery | HandshakeHeatmapQuery): Promise<HandshakeScope> {
    const scope = await this.scopes.resolve(query, Date.now());
    // A little more than the days themselves: the window reaches into the future by what clocks may be ahead.
    if (lengthUs(scope) > (LONGEST_WINDOW_DAYS + 1) * MICROSECONDS_PER_DAY)
      throw windowTooLong(LONGEST_WINDOW_DAYS);
    return scope;
  }
}

function earlier(left: string, right: string): string {
  return Date.parse(left) < Date.parse(right) ? left : right;
}

function lengthUs({ since, until }: HandshakeScope): number {
  return Number((resolveTime(until, 0) ?? 0n) - (resolveTime(since, 0) ?? 0n));
}
