import {
  DNS_SIDES,
  RECEIVE_QUEUE_DROP_CAUSES,
  type ReceiveQueueDrop,
  type ReceiveQueueDropFilter,
} from '@synscope/api-contract';
import { RecordConditions } from '../record-queries/record-conditions.js';
import type { RecordKind } from '../record-queries/record-kind.js';
import { nameOf, RECORD_ROW_COLUMNS, type RecordRow, recordFieldsOf } from '../record-queries/record-row.js';
import type { RecordScope } from '../record-queries/record-scope.js';

interface ReceiveQueueDropRow extends RecordRow {
  readonly interval_us: number;
  readonly drops: number;
  readonly receive_buffer_bytes: number;
  readonly local_address: string;
  readonly local_port: number;
  readonly cause: number;
  readonly side: number;
}

function receiveQueueDropConditions(scope: RecordScope<ReceiveQueueDropFilter>): RecordConditions {
  const { filter } = scope;
  return (
    new RecordConditions(scope)
      .addNames('side', DNS_SIDES, filter.side)
      .addNames('cause', RECEIVE_QUEUE_DROP_CAUSES, filter.cause)
      .addAddress('local_address', filter.localAddress)
      .addNumbers('local_port', 'integer', filter.localPort)
      // The index by time has all of them.
      .addIndexed('true')
  );
}

function toReceiveQueueDrop(row: ReceiveQueueDropRow): ReceiveQueueDrop {
  return {
    ...recordFieldsOf(row),
    intervalUs: row.interval_us,
    side: nameOf(DNS_SIDES, row.side),
    cause: nameOf(RECEIVE_QUEUE_DROP_CAUSES, row.cause),
    drops: row.drops,
    receiveBufferBytes: row.receive_buffer_bytes,
    local: { address: row.local_address, port: row.local_port },
  };
}

export const RECEIVE_QUEUE_DROPS: RecordKind<ReceiveQueueDropRow, ReceiveQueueDrop, ReceiveQueueDropFilter> =
  {
    table: 'receive_queue_drop',
    columns: `${RECORD_ROW_COLUMNS}, interval_us, drops, receive_buffer_bytes, host(local_address) AS local_address, local_port, cause, side`,
    latency: null,
    conditions: receiveQueueDropConditions,
    toItem: toReceiveQueueDrop,
  };
