import { Injectable } from '@nestjs/common';
import type { Listener, ListenerFilter, ListenerOrder } from '@synscope/api-contract';
import { DatabasePool } from '../database/database-pool.js';
import { RECORD_ROW_COLUMNS, type RecordRow, recordFieldsOf } from '../record-queries/record-row.js';
import type { RecordScope } from '../record-queries/record-scope.js';
import {
  COUNTED_COLUMNS,
  type ListenerColumns,
  listenerConditions,
  listenerFieldsOf,
  REFUSED_SQL,
  RISE_COLUMNS,
  STATE_COLUMNS,
} from './listener-columns.js';

/** Where a listener stands in the order: less what it refused (0 if that is not asked for), port, address, agent, cookie, network namespace. */
export type ListenerPosition = [
  lessRefused: number,
  localPort: number,
  localAddress: string,
  agentId: string,
  socketCookie: number,
  netns: number,
];

export interface FoundListener {
  readonly item: Listener;
  readonly position: ListenerPosition;
}

interface ListenerRow extends RecordRow, ListenerColumns {
  readonly first_observed_at: string;
  readonly samples: number;
  readonly observed_us: number;
  readonly less_refused: number;
}

/** What one socket is told from another by. Port and address keep apart what has one cookie before and after a boot of its host. */
const IDENTITY = 'local_port, local_address, agent_id, socket_cookie, coalesce(netns, 0)';

/** Sums end at what a number of JSON holds exactly. */
const sum = (expression: string) => `least(sum(${expression}), ${Number.MAX_SAFE_INTEGER})::bigint`;

const SUMMED = [...COUNTED_COLUMNS, ...RISE_COLUMNS];

/** Listening sockets from their samples. It reads every sample of the window, so the window is what it costs. */
@Injectable()
export class ListenerStore {
  constructor(private readonly pool: DatabasePool) {}

  async list(
    scope: RecordScope<ListenerFilter>,
    order: ListenerOrder,
    after: ListenerPosition | null,
    limit: number,
  ): Promise<FoundListener[]> {
    const conditions = listenerConditions(scope);
    const { refusing } = scope.filter;
    const lessRefused = order === '-refused' ? `-${sum(REFUSED_SQL)}` : '0::bigint';
    const groups = [
      ...(refusing === undefined ? [] : [`sum(${REFUSED_SQL}) ${refusing ? '>' : '='} 0`]),
      ...(after
        ? [`(${lessRefused}, ${IDENTITY}) > (${after.map((value) => conditions.place(value)).join(', ')})`]
        : []),
    ];
    // Ids order like the time of observation; Postgres has no max() of uuid before version 18.
    const { rows } = await this.pool.query<ListenerRow>(
      `WITH found AS (
         SELECT max(id::text COLLATE "C")::uuid AS newest_id, max(observed_at) AS newest_observed_at,
                min(observed_at) AS first_observed_at, count(*) AS samples, ${sum('interval_us')} AS observed_us,
                ${lessRefused} AS less_refused, max(accept_queue_peak) AS accept_queue_peak, max(syn_queue_peak) AS syn_queue_peak,
                ${SUMMED.map((column) => `${sum(column)} AS ${column}`).join(', ')}
           FROM listener_sample WHERE ${conditions.sql} GROUP BY ${IDENTITY}
         ${groups.length > 0 ? `HAVING ${groups.join(' AND ')}` : ''}
          ORDER BY less_refused, ${IDENTITY} LIMIT ${limit})
       SELECT ${RECORD_ROW_COLUMNS}, hostname, host(local_address) AS local_address, ${STATE_COLUMNS.join(', ')},
              found.first_observed_at, found.samples, found.observed_us, found.less_refused, found.accept_queue_peak,
              found.syn_queue_peak, ${SUMMED.map((column) => `found.${column}`).join(', ')}
         FROM found JOIN listener_sample ON observed_at = newest_observed_at AND id = newest_id
         LEFT JOIN (SELECT id AS known_agent_id, hostname FROM agent) AS known ON known_agent_id = agent_id
        ORDER BY less_refused, ${IDENTITY}`,
      conditions.parameters,
    );
    return rows.map((row) => ({ item: toListener(row), position: positionOf(row) }));
  }
}

function positionOf(row: ListenerRow): ListenerPosition {
  const { less_refused, local_port, local_address, agent_id, socket_cookie, netns } = row;
  return [less_refused, local_port, local_address, agent_id, socket_cookie, netns ?? 0];
}

function toListener(row: ListenerRow): Listener {
  return {
    ...recordFieldsOf(row),
    firstObservedAt: row.first_observed_at,
    samples: row.samples,
    observedUs: row.observed_us,
    ...listenerFieldsOf(row),
  };
}
