import {
  dnsQuerySchema,
  handshakeSchema,
  listenerSampleSchema,
  nameLookupSchema,
  type ProbeName,
  receiveQueueDropSchema,
  type SessionEvent,
} from '@synscope/api-contract';
import type { z } from 'zod';
import { DNS_QUERIES } from '../dns-queries/dns-query-kind.js';
import { HANDSHAKES } from '../handshakes/handshake-kind.js';
import { LISTENER_SAMPLES } from '../listeners/listener-sample-kind.js';
import { NAME_LOOKUPS } from '../name-lookups/name-lookup-kind.js';
import { RECEIVE_QUEUE_DROPS } from '../receive-queue-drops/receive-queue-drop-kind.js';
import type { RecordConditions } from '../record-queries/record-conditions.js';
import type { RecordKind } from '../record-queries/record-kind.js';
import type { RecordReader } from '../record-queries/record-reader.js';
import type { RecordRow } from '../record-queries/record-row.js';
import type { LatencyFilter, RecordScope } from '../record-queries/record-scope.js';

export interface StreamedRecord {
  readonly id: string;
  /** The item of the REST list of its kind, in JSON. Made when it is asked for: it is most of the work, and of the memory. */
  json(): string;
}

/** Which records, beyond session, agents and time. */
export type Restriction = (conditions: RecordConditions) => RecordConditions;

/** A kind of records as the events of a session carry it. */
export interface StreamedKind {
  readonly event: SessionEvent['event'];
  /** The probe that makes them. */
  readonly probe: ProbeName;
  /** In the order of their observation. */
  read(
    reader: RecordReader,
    scope: RecordScope<{ sessionId: string }>,
    restrict: Restriction,
    afterId: string | null,
    limit: number,
  ): Promise<readonly StreamedRecord[]>;
  count(
    reader: RecordReader,
    scope: RecordScope<{ sessionId: string }>,
    restrict: Restriction,
  ): Promise<number>;
}

export const STREAMED_KINDS: readonly StreamedKind[] = [
  streamed('handshake', 'tcp_handshake', HANDSHAKES, handshakeSchema),
  streamed('dns_query', 'dns', DNS_QUERIES, dnsQuerySchema),
  streamed('name_lookup', 'name_lookup', NAME_LOOKUPS, nameLookupSchema),
  streamed('receive_queue_drop', 'dns', RECEIVE_QUEUE_DROPS, receiveQueueDropSchema),
  streamed('listener', 'listener', LISTENER_SAMPLES, listenerSampleSchema),
];

function streamed<Row extends RecordRow, T, F extends LatencyFilter>(
  event: SessionEvent['event'],
  probe: ProbeName,
  kind: RecordKind<Row, T, F>,
  schema: z.ZodType<T>,
): StreamedKind {
  // Every filter of every kind may be left out.
  const conditionsOf = (scope: RecordScope<{ sessionId: string }>) =>
    kind.conditions(scope as unknown as RecordScope<F>);
  return {
    event,
    probe,
    read: async (reader, scope, restrict, afterId, limit) => {
      const found = await reader.listOldest(kind, restrict(conditionsOf(scope)), afterId, limit);
      return found.map(({ id, item }) => ({ id, json: () => JSON.stringify(schema.parse(item)) }));
    },
    count: (reader, scope, restrict) => reader.count(kind.table, restrict(conditionsOf(scope))),
  };
}
