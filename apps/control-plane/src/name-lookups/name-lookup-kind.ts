import {
  type LookupFamily,
  lookupResultName,
  type NameLookup,
  type NameLookupFilter,
  type NameLookupGroupKey,
} from '@synscope/api-contract';
import { RecordConditions } from '../record-queries/record-conditions.js';
import type { RecordKind } from '../record-queries/record-kind.js';
import { RECORD_ROW_COLUMNS, type RecordRow, recordFieldsOf } from '../record-queries/record-row.js';
import type { RecordScope } from '../record-queries/record-scope.js';
import { COMMON_GROUPS, type SummaryKind } from '../record-queries/record-summary.store.js';
import { addSuffixes } from '../record-queries/suffix-conditions.js';

/** NameLookupColumns.flags of proto/synscope/agent/v1/records.proto. */
const NAME_CUT = 1;

/** AF_… of Linux's sys/socket.h. */
const FAMILIES: Readonly<Record<number, LookupFamily>> = { 0: 'any', 2: 'ipv4', 10: 'ipv6' };

interface NameLookupRow extends RecordRow {
  readonly called_at: string;
  readonly name: string;
  readonly family: number;
  readonly result_code: number;
  readonly latency_us: number;
  readonly flags: number;
}

function nameLookupConditions(scope: RecordScope<NameLookupFilter>): RecordConditions {
  const { filter } = scope;
  const conditions = new RecordConditions(scope)
    .addMinLatency('latency_us', filter.minLatencyMs)
    .addNumbers('result_code', 'integer', filter.result);
  if (filter.name) conditions.add(`name = ANY (${conditions.place(filter.name)}::text[])`);
  // Names are as applications gave them, so every dot is a boundary.
  addSuffixes(conditions, 'name', filter.nameSuffix);
  const isFailed = filter.result !== undefined && !filter.result.includes(0);
  return isFailed ? conditions.addIndexed('result_code <> 0') : conditions;
}

function toNameLookup(row: NameLookupRow): NameLookup {
  return {
    ...recordFieldsOf(row),
    calledAt: row.called_at,
    name: row.name,
    nameCut: (row.flags & NAME_CUT) !== 0,
    family: FAMILIES[row.family] ?? 'other',
    result: lookupResultName(row.result_code),
    resultCode: row.result_code,
    latencyUs: row.latency_us,
  };
}

export const NAME_LOOKUPS: RecordKind<NameLookupRow, NameLookup, NameLookupFilter> = {
  table: 'name_lookup',
  columns: `${RECORD_ROW_COLUMNS}, observed_at - latency_us * interval '1 microsecond' AS called_at, name, family, result_code, latency_us, flags`,
  latency: { column: 'latency_us', unknown: false },
  conditions: nameLookupConditions,
  toItem: toNameLookup,
};

export const NAME_LOOKUP_SUMMARY: SummaryKind<NameLookupGroupKey, 'failed', NameLookupFilter> = {
  table: 'name_lookup',
  latency: 'latency_us',
  withoutLatency: 'last',
  groups: {
    ...COMMON_GROUPS,
    name: { sql: 'name' },
    result: { sql: 'result_code', read: (text) => lookupResultName(Number(text)) },
  },
  counts: { failed: 'result_code <> 0' },
  conditions: nameLookupConditions,
};
