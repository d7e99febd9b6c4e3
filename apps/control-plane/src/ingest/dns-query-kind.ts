import { Probe } from '@synscope/protocol';
import {
  MAXIMUM_LATENCY_US,
  plusOne,
  processNumbers,
  type RecordKind,
  required,
  UINT16_MAX,
  zeroIfUnknown,
} from './record-kind.js';

/** DnsQueryColumns of proto/synscope/agent/v1/records.proto. */
export const DNS_QUERY_KIND: RecordKind = {
  table: 'dns_query',
  probe: Probe.DNS,
  field: 4,
  name: 'dns_queries',
  numbers: [
    required(11, 'elapsed_us', 0, MAXIMUM_LATENCY_US, 'bigint'),
    zeroIfUnknown(17, 'lookup_id', 2 ** 52 - 1, 'bigint'),
    ...processNumbers({ netns: 19, pid: 20, cgroupId: 21 }),
    required(9, 'client_port', 0, UINT16_MAX, 'integer'),
    required(10, 'server_port', 0, UINT16_MAX, 'integer'),
    required(12, 'query_type', 0, UINT16_MAX, 'integer'),
    required(13, 'query_class', 0, UINT16_MAX, 'integer'),
    required(14, 'message_id', 0, UINT16_MAX, 'integer'),
    plusOne(16, 'answer_count', UINT16_MAX, 'integer'),
    zeroIfUnknown(18, 'attempt', UINT16_MAX, 'integer'),
    required(4, 'side', 1, 2, 'smallint'),
    required(6, 'transport', 1, 2, 'smallint'),
    required(5, 'outcome', 1, 3, 'smallint'),
    // Twelve bits with those of EDNS: RFC 6891 §6.1.3.
    plusOne(15, 'response_code', 4_095, 'smallint'),
    // Bits that this version does not know are kept.
    required(26, 'flags', 0, 2 ** 15 - 1, 'smallint'),
  ],
  addresses: [
    { field: 7, name: 'client_address' },
    { field: 8, name: 'server_address' },
  ],
  names: {
    field: 33,
    name: 'query_names',
    column: 'query_name',
    indexField: 25,
    indexName: 'query_name_index',
    lowestByte: 0x21,
    // The 255 bytes of the wire form (RFC 1035 §2.3.4) hold 250 bytes in four labels: each as \DDD, and the dots.
    maximumBytes: 1_004,
  },
  processNameIndexField: 22,
  containerIdIndexField: 23,
  sessionSetIndexField: 24,
};
