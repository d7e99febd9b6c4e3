import { Injectable } from '@nestjs/common';
import type { Loss, SummaryOrder } from '@synscope/api-contract';
import type { Probe } from '@synscope/protocol';
import type { LatencyFilter } from './record-scope.js';
import { RecordScopeService } from './record-scope.service.js';
import { RecordSummaryStore, type SummaryItem, type SummaryKind } from './record-summary.store.js';

interface Summary<Count extends string> {
  readonly items: SummaryItem<Count>[];
  readonly truncated: boolean;
  readonly loss: Loss;
}

/** Counts and latency percentiles of records of any kind, by group. */
@Injectable()
export class RecordSummaries {
  constructor(
    private readonly store: RecordSummaryStore,
    private readonly scopes: RecordScopeService,
  ) {}

  /** `probe` is the one whose loss concerns the answer. */
  async summarize<Key extends string, Count extends string, F extends LatencyFilter>(
    probe: Probe,
    kind: SummaryKind<Key, 'failed' | Count, F>,
    query: F & {
      readonly groupBy?: readonly Key[] | undefined;
      readonly order: SummaryOrder;
      readonly limit: number;
    },
  ): Promise<Summary<'failed' | Count>> {
    const scope = await this.scopes.resolveBounded<F>(query, Date.now());
    const { groupBy = [], order, limit } = query;
    const [groups, loss] = await Promise.all([
      this.store.summarize(kind, scope, { groupBy, order, limit: limit + 1 }),
      this.scopes.lossOf(scope, probe),
    ]);
    return { items: groups.slice(0, limit), truncated: groups.length > limit, loss };
  }
}
