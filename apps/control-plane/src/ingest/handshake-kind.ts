import { Probe } from '@synscope/protocol';
import {
  MAXIMUM_LATENCY_US,
  plusOne,
  processNumbers,
  type RecordKind,
  required,
  UINT16_MAX,
  UINT32_MAX,
} from './record-kind.js';

/** HandshakeColumns of proto/synscope/agent/v1/records.proto. */
export const HANDSHAKE_KIND: RecordKind = {
  table: 'handshake',
  probe: Probe.TCP_HANDSHAKE,
  field: 2,
  name: 'handshakes',
  numbers: [
    plusOne(10, 'latency_us', MAXIMUM_LATENCY_US, 'bigint'),
    plusOne(11, 'accept_wait_us', MAXIMUM_LATENCY_US, 'bigint'),
    plusOne(15, 'client_isn', UINT32_MAX, 'bigint'),
    plusOne(16, 'server_isn', UINT32_MAX, 'bigint'),
    ...processNumbers({ netns: 17, pid: 18, cgroupId: 19 }),
    // 2^31 − 1 µs are 36 minutes, and the kernel's own estimate ends far below.
    plusOne(12, 'srtt_us', 2 ** 31 - 1, 'integer'),
    required(8, 'local_port', 0, UINT16_MAX, 'integer'),
    required(9, 'remote_port', 0, UINT16_MAX, 'integer'),
    required(4, 'role', 1, 2, 'smallint'),
    required(5, 'outcome', 1, 6, 'smallint'),
    plusOne(13, 'syn_retransmits', 2 ** 15 - 1, 'smallint'),
    plusOne(14, 'syn_ack_retransmits', 2 ** 15 - 1, 'smallint'),
    // Bits that this version does not know are kept.
    required(23, 'flags', 0, 2 ** 15 - 1, 'smallint'),
  ],
  addresses: [
    { field: 6, name: 'local_address' },
    { field: 7, name: 'remote_address' },
  ],
  names: null,
  processNameIndexField: 20,
  containerIdIndexField: 21,
  sessionSetIndexField: 22,
};
