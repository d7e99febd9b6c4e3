import {
  DNS_OUTCOMES,
  DNS_SIDES,
  DNS_TRANSPORTS,
  type DnsQuery,
  type DnsQueryFilter,
  type DnsQueryGroupKey,
  queryTypes,
  responseCodes,
} from '@synscope/api-contract';
import { RecordConditions } from '../record-queries/record-conditions.js';
import type { RecordKind } from '../record-queries/record-kind.js';
import { nameOf } from '../record-queries/record-row.js';
import type { RecordScope } from '../record-queries/record-scope.js';
import { COMMON_GROUPS, type SummaryKind } from '../record-queries/record-summary.store.js';
import { addSuffixes } from '../record-queries/suffix-conditions.js';
import { DNS_QUERY_ROW_COLUMNS, type DnsQueryRow, toDnsQuery } from './dns-query-row.js';
import { isBoundaryAfter, suffixSql } from './query-name-sql.js';

/** NOERROR and NXDOMAIN: the question was answered. */
const GOOD_RESPONSE_CODES = '0, 3';

function dnsQueryConditions(scope: RecordScope<DnsQueryFilter>): RecordConditions {
  const { filter } = scope;
  const conditions = new RecordConditions(scope)
    .addMinLatency('elapsed_us', filter.minLatencyMs)
    .addNames('outcome', DNS_OUTCOMES, filter.outcome)
    .addNames('side', DNS_SIDES, filter.side)
    .addNames('transport', DNS_TRANSPORTS, filter.transport)
    .addNumbers('query_type', 'integer', numbersOf(queryTypes, filter.queryType))
    .addNumbers('response_code', 'smallint', numbersOf(responseCodes, filter.responseCode))
    .addAddress('server_address', filter.serverAddress)
    .addAddress('client_address', filter.clientAddress);
  if (filter.queryName) conditions.add(`query_name = ANY (${conditions.place(filter.queryName)}::text[])`);
  addSuffixes(conditions, 'query_name', filter.queryNameSuffix, isBoundaryAfter);
  if (filter.lookupId !== undefined)
    conditions.add(`lookup_id = ${conditions.place(Number.parseInt(filter.lookupId, 16))}`);
  const isFailed = filter.outcome !== undefined && !filter.outcome.includes('answered');
  return isFailed ? conditions.addIndexed('outcome <> 1') : conditions;
}

function numbersOf(
  names: { numberOf(text: string): number | null },
  texts: readonly string[] | undefined,
): number[] | undefined {
  return texts?.flatMap((text) => names.numberOf(text) ?? []);
}

export const DNS_QUERIES: RecordKind<DnsQueryRow, DnsQuery, DnsQueryFilter> = {
  table: 'dns_query',
  columns: DNS_QUERY_ROW_COLUMNS,
  // How long an unanswered query was waited for counts too: it is never null.
  latency: { column: 'elapsed_us', unknown: false },
  conditions: dnsQueryConditions,
  toItem: toDnsQuery,
};

export function dnsQuerySummary(
  suffixLabels: number,
): SummaryKind<DnsQueryGroupKey, 'failed' | 'unanswered' | 'late', DnsQueryFilter> {
  return {
    table: 'dns_query',
    latency: 'CASE WHEN outcome <> 3 THEN elapsed_us END',
    withoutLatency: 'first',
    groups: {
      ...COMMON_GROUPS,
      queryName: { sql: 'query_name' },
      queryNameSuffix: { sql: suffixSql('query_name', suffixLabels) },
      serverAddress: { sql: 'host(server_address)' },
      clientAddress: { sql: 'host(client_address)' },
      queryType: { sql: 'query_type', read: (text) => queryTypes.nameOf(Number(text)) },
      responseCode: { sql: 'response_code', read: (text) => responseCodes.nameOf(Number(text)) },
      outcome: { sql: 'outcome', read: (text) => nameOf(DNS_OUTCOMES, Number(text)) },
      side: { sql: 'side', read: (text) => nameOf(DNS_SIDES, Number(text)) },
      transport: { sql: 'transport', read: (text) => nameOf(DNS_TRANSPORTS, Number(text)) },
    },
    counts: {
      failed: `outcome <> 1 OR response_code NOT IN (${GOOD_RESPONSE_CODES})`,
      unanswered: 'outcome = 3',
      late: 'outcome = 2',
    },
    conditions: dnsQueryConditions,
  };
}
