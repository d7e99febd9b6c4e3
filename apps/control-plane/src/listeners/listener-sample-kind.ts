import type { ListenerFilter, ListenerSample } from '@synscope/api-contract';
import type { RecordConditions } from '../record-queries/record-conditions.js';
import type { RecordKind } from '../record-queries/record-kind.js';
import { RECORD_ROW_COLUMNS, type RecordRow, recordFieldsOf } from '../record-queries/record-row.js';
import type { RecordScope } from '../record-queries/record-scope.js';
import {
  COUNTED_COLUMNS,
  type ListenerColumns,
  listenerConditions,
  listenerFieldsOf,
  REFUSED_SQL,
  RISE_COLUMNS,
  STATE_COLUMNS,
} from './listener-columns.js';

interface ListenerSampleRow extends RecordRow, ListenerColumns {
  readonly interval_us: number;
}

function sampleConditions(scope: RecordScope<ListenerFilter>): RecordConditions {
  const { refusing } = scope.filter;
  const conditions = listenerConditions(scope);
  // The indexes by time have all of them.
  if (refusing === undefined) return conditions.addIndexed('true');
  return conditions.addIndexed(refusing ? `${REFUSED_SQL} > 0` : `${REFUSED_SQL} = 0`);
}

function toListenerSample(row: ListenerSampleRow): ListenerSample {
  return { ...recordFieldsOf(row), intervalUs: row.interval_us, ...listenerFieldsOf(row) };
}

export const LISTENER_SAMPLES: RecordKind<ListenerSampleRow, ListenerSample, ListenerFilter> = {
  table: 'listener_sample',
  columns: [
    RECORD_ROW_COLUMNS,
    'interval_us',
    'host(local_address) AS local_address',
    'accept_queue_peak',
    'syn_queue_peak',
    ...STATE_COLUMNS,
    ...COUNTED_COLUMNS,
    ...RISE_COLUMNS,
  ].join(', '),
  latency: null,
  conditions: sampleConditions,
  toItem: toListenerSample,
};
