import { Probe } from '@synscope/protocol';
import { processNumbers, type RecordKind, required, UINT16_MAX } from './record-kind.js';

/** 366 days: a process can be stopped within a call for as long as it likes. */
const MAXIMUM_CALL_US = 366 * 86_400_000_000;

/** NameLookupColumns of proto/synscope/agent/v1/records.proto. */
export const NAME_LOOKUP_KIND: RecordKind = {
  table: 'name_lookup',
  probe: Probe.NAME_LOOKUP,
  field: 5,
  name: 'name_lookups',
  numbers: [
    required(4, 'latency_us', 0, MAXIMUM_CALL_US, 'bigint'),
    ...processNumbers({ netns: 7, pid: 8, cgroupId: 9 }),
    required(5, 'result_code', -(2 ** 31), 2 ** 31 - 1, 'integer'),
    // Whatever the application asked for: what it got for a wrong one is in the result.
    required(6, 'family', 0, UINT16_MAX, 'integer'),
    // Bits that this version does not know are kept.
    required(14, 'flags', 0, 2 ** 15 - 1, 'smallint'),
  ],
  addresses: [],
  names: {
    field: 33,
    name: 'names',
    column: 'name',
    indexField: 13,
    indexName: 'name_index',
    lowestByte: 0x20,
    // 255 bytes, each of which can become \DDD.
    maximumBytes: 1_020,
  },
  processNameIndexField: 10,
  containerIdIndexField: 11,
  sessionSetIndexField: 12,
};
