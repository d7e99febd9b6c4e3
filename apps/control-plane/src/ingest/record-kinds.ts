import { DNS_QUERY_KIND } from './dns-query-kind.js';
import { HANDSHAKE_KIND } from './handshake-kind.js';
import { LISTENER_KIND } from './listener-kind.js';
import { NAME_LOOKUP_KIND } from './name-lookup-kind.js';
import { RECEIVE_QUEUE_DROP_KIND } from './receive-queue-drop-kind.js';
import type { RecordKind } from './record-kind.js';

export const RECORD_KINDS: readonly RecordKind[] = [
  HANDSHAKE_KIND,
  DNS_QUERY_KIND,
  NAME_LOOKUP_KIND,
  RECEIVE_QUEUE_DROP_KIND,
  LISTENER_KIND,
];
