import { Injectable } from '@nestjs/common';
import type {
  Handshake,
  HandshakeDetail,
  HandshakeListQuery,
  HandshakeSummary,
  HandshakeSummaryQuery,
} from '@synscope/api-contract';
import { Probe } from '@synscope/protocol';
import { notFound } from '../errors/api-error.js';
import { BothEndsService } from '../handshake-pairs/both-ends.service.js';
import type { KeysetList } from '../lists/keyset-list.js';
import { RecordLists } from '../record-queries/record-lists.js';
import { RecordReader } from '../record-queries/record-reader.js';
import { RecordSummaries } from '../record-queries/record-summaries.js';
import { HANDSHAKE_SUMMARY, HANDSHAKES } from './handshake-kind.js';

@Injectable()
export class HandshakeService {
  constructor(
    private readonly reader: RecordReader,
    private readonly lists: RecordLists,
    private readonly summaries: RecordSummaries,
    private readonly bothEnds: BothEndsService,
  ) {}

  list(query: HandshakeListQuery): KeysetList<Handshake> {
    return this.lists.list('handshakes', Probe.TCP_HANDSHAKE, HANDSHAKES, query);
  }

  summarize(query: HandshakeSummaryQuery): Promise<HandshakeSummary> {
    return this.summaries.summarize(Probe.TCP_HANDSHAKE, HANDSHAKE_SUMMARY, query);
  }

  async get(id: string): Promise<HandshakeDetail> {
    const handshake = await this.reader.find(HANDSHAKES, id);
    if (!handshake) throw notFound('handshake', id);
    return { ...handshake, ...(await this.bothEnds.of(handshake)) };
  }
}
