/** The tables of raw records, each partitioned by hour on observed_at. */
export const RECORD_TABLES = ['handshake', 'dns_query', 'name_lookup', 'receive_queue_drop'] as const;

export type RecordTable = (typeof RECORD_TABLES)[number];
