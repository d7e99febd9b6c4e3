/** The tables of raw records, each partitioned by hour on observed_at. */
export const RECORD_TABLES = [
  'handshake',
  'dns_query',
  'name_lookup',
  'receive_queue_drop',
  'listener_sample',
] as const;

export type RecordTable = (typeof RECORD_TABLES)[number];

/** These, and what is worked out from their rows and kept as long as they are. */
export const PARTITIONED_TABLES = [...RECORD_TABLES, 'handshake_pair'] as const;

export type PartitionedTable = (typeof PARTITIONED_TABLES)[number];
