import { Probe } from '@synscope/protocol';
import { MAXIMUM_LATENCY_US, processNumbers, type RecordKind, required, UINT16_MAX } from './record-kind.js';

/** ReceiveQueueDropColumns of proto/synscope/agent/v1/records.proto. */
export const RECEIVE_QUEUE_DROP_KIND: RecordKind = {
  table: 'receive_queue_drop',
  probe: Probe.DNS,
  field: 6,
  name: 'receive_queue_drops',
  numbers: [
    required(4, 'interval_us', 0, MAXIMUM_LATENCY_US, 'bigint'),
    required(5, 'drops', 1, Number.MAX_SAFE_INTEGER, 'bigint'),
    required(10, 'receive_buffer_bytes', 0, Number.MAX_SAFE_INTEGER, 'bigint'),
    ...processNumbers({ netns: 11, pid: 12, cgroupId: 13 }),
    required(9, 'local_port', 0, UINT16_MAX, 'integer'),
    required(6, 'cause', 1, 2, 'smallint'),
    required(7, 'side', 1, 2, 'smallint'),
  ],
  addresses: [{ field: 8, name: 'local_address' }],
  names: null,
  processNameIndexField: 14,
  containerIdIndexField: 15,
  sessionSetIndexField: 16,
};
