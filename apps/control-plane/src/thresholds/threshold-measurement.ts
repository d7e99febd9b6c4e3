import { Injectable } from '@nestjs/common';
import { formatDate, type LatencyStatistics } from '@synscope/api-contract';
import { parseSelector } from '@synscope/selector';
import { DnsQueryService } from '../dns-queries/dns-query.service.js';
import { HandshakeService } from '../handshakes/handshake.service.js';
import { type DueThreshold, ThresholdStore } from './threshold.store.js';
import type { MinuteVerdict } from './threshold-state.js';

const MINUTE_MS = 60_000;

export interface Measurement {
  readonly verdict: MinuteVerdict;
  /** Milliseconds or a ratio; null if there were too few records, or nothing was answered. */
  readonly value: number | null;
  readonly count: number;
}

interface Figures {
  readonly count: number;
  readonly failed: number;
  readonly latencyUs: LatencyStatistics;
}

/** What one minute of records says: the same figures as those of the summaries. It reads that minute's records, and no others. */
@Injectable()
export class ThresholdMeasurement {
  constructor(
    private readonly store: ThresholdStore,
    private readonly handshakes: HandshakeService,
    private readonly dnsQueries: DnsQueryService,
  ) {}

  async measure(threshold: DueThreshold): Promise<Measurement> {
    const figures = await this.figuresOf(threshold);
    if (figures === undefined || figures.count < threshold.minCount)
      return { verdict: 'unknown', value: null, count: figures?.count ?? 0 };
    const { count, failed, latencyUs } = figures;
    if (threshold.aboveRatio !== null) {
      const ratio = failed / count;
      return { verdict: ratio > threshold.aboveRatio ? 'above' : 'below', value: ratio, count };
    }
    const us = latencyUs[threshold.percentile ?? 'p99'];
    // Of handshakes the latency is not known; that nobody answered a query is slower than any answer.
    if (us === null)
      return { verdict: threshold.metric === 'dns_latency' ? 'above' : 'unknown', value: null, count };
    const ms = us / 1_000;
    return { verdict: ms > (threshold.aboveMs ?? 0) ? 'above' : 'below', value: ms, count };
  }

  private async figuresOf({ metric, filter, minute }: DueThreshold): Promise<Figures | undefined> {
    const { selector, processName, remoteAddress, remotePort, localPort, serverAddress } = filter;
    const common = {
      since: formatDate(minute),
      until: formatDate(new Date(minute.getTime() + MINUTE_MS)),
      order: '-count' as const,
      limit: 1,
      processName,
      ...(selector && { agentId: await this.store.agentsOf(parseSelector(selector)) }),
    };
    if (metric === 'dns_latency' || metric === 'dns_failure_ratio') {
      const { items } = await this.dnsQueries.summarize({
        ...common,
        suffixLabels: 2,
        side: [filter.side ?? 'client'],
        serverAddress,
        queryName: filter.queryName === undefined ? undefined : [filter.queryName],
        queryNameSuffix: filter.queryNameSuffix === undefined ? undefined : [filter.queryNameSuffix],
      });
      return items[0];
    }
    const { items } = await this.handshakes.summarize({
      ...common,
      role: [filter.role ?? 'client'],
      remoteAddress,
      remotePort: remotePort === undefined ? undefined : [remotePort],
      localPort: localPort === undefined ? undefined : [localPort],
    });
    return items[0];
  }
}
