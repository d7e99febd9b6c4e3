import {
  HANDSHAKE_OUTCOMES,
  HANDSHAKE_ROLES,
  type Handshake,
  type HandshakeFilter,
  type HandshakeGroupKey,
} from '@synscope/api-contract';
import { RecordConditions } from '../record-queries/record-conditions.js';
import type { RecordKind } from '../record-queries/record-kind.js';
import { nameOf } from '../record-queries/record-row.js';
import type { RecordScope } from '../record-queries/record-scope.js';
import { COMMON_GROUPS, type SummaryKind } from '../record-queries/record-summary.store.js';
import { HANDSHAKE_ROW_COLUMNS, type HandshakeRow, toHandshake } from './handshake-row.js';

export function handshakeConditions(scope: RecordScope<HandshakeFilter>): RecordConditions {
  const { filter } = scope;
  const conditions = new RecordConditions(scope)
    .addMinLatency('latency_us', filter.minLatencyMs)
    .addNames('role', HANDSHAKE_ROLES, filter.role)
    .addNames('outcome', HANDSHAKE_OUTCOMES, filter.outcome)
    .addAddress('remote_address', filter.remoteAddress)
    .addNumbers('remote_port', 'integer', filter.remotePort)
    .addNumbers('local_port', 'integer', filter.localPort);
  const isFailed = filter.outcome !== undefined && !filter.outcome.includes('established');
  return isFailed ? conditions.addIndexed('outcome <> 1') : conditions;
}

export const HANDSHAKES: RecordKind<HandshakeRow, Handshake, HandshakeFilter> = {
  table: 'handshake',
  columns: HANDSHAKE_ROW_COLUMNS,
  latency: { column: 'latency_us', unknown: true },
  conditions: handshakeConditions,
  toItem: toHandshake,
};

export const HANDSHAKE_SUMMARY: SummaryKind<HandshakeGroupKey, 'failed', HandshakeFilter> = {
  table: 'handshake',
  latency: 'latency_us',
  withoutLatency: 'last',
  groups: {
    ...COMMON_GROUPS,
    role: { sql: 'role', read: (text) => nameOf(HANDSHAKE_ROLES, Number(text)) },
    outcome: { sql: 'outcome', read: (text) => nameOf(HANDSHAKE_OUTCOMES, Number(text)) },
    remoteAddress: { sql: 'host(remote_address)' },
    remotePort: { sql: 'remote_port', read: Number },
    localPort: { sql: 'local_port', read: Number },
  },
  counts: { failed: 'outcome <> 1' },
  conditions: handshakeConditions,
};
