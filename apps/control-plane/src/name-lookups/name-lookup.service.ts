import { Injectable } from '@nestjs/common';
import type {
  NameLookup,
  NameLookupListQuery,
  NameLookupSummary,
  NameLookupSummaryQuery,
} from '@synscope/api-contract';
import { Probe } from '@synscope/protocol';
import { notFound } from '../errors/api-error.js';
import type { KeysetList } from '../lists/keyset-list.js';
import { RecordLists } from '../record-queries/record-lists.js';
import { RecordReader } from '../record-queries/record-reader.js';
import { RecordSummaries } from '../record-queries/record-summaries.js';
import { NAME_LOOKUP_SUMMARY, NAME_LOOKUPS } from './name-lookup-kind.js';

@Injectable()
export class NameLookupService {
  constructor(
    private readonly reader: RecordReader,
    private readonly lists: RecordLists,
    private readonly summaries: RecordSummaries,
  ) {}

  list(query: NameLookupListQuery): KeysetList<NameLookup> {
    return this.lists.list('name-lookups', Probe.NAME_LOOKUP, NAME_LOOKUPS, query);
  }

  summarize(query: NameLookupSummaryQuery): Promise<NameLookupSummary> {
    return this.summaries.summarize(Probe.NAME_LOOKUP, NAME_LOOKUP_SUMMARY, query);
  }

  async get(id: string): Promise<NameLookup> {
    const lookup = await this.reader.find(NAME_LOOKUPS, id);
    if (!lookup) throw notFound('name lookup', id);
    return lookup;
  }
}
