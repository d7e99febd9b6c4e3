import { Injectable } from '@nestjs/common';
import { formatMicroseconds, resolveTime } from '@synscope/api-contract';
import { DatabasePool } from '../../database/database-pool.js';
import { uuidToBytes } from '../../grpc/uuid-bytes.js';
import { hashOfBatch } from '../../record-storage/record-id.js';
import { committedBatchesSql, endOfPage, placing } from '../../stored-batches/committed-batches.js';
import { readSnapshot } from '../../stored-batches/read-snapshot.js';
import { type Snapshot, snapshotThrough } from '../../stored-batches/snapshot.js';
import type { Activity } from './address-book.js';
import {
  ACTIVITY_SQL,
  type ActivityRow,
  DROP_COLUMNS,
  type DropRow,
  HANDSHAKE_COLUMNS,
  type HandshakeRow,
  LISTENER_COLUMNS,
  type ListenerRow,
  QUERY_COLUMNS,
  type QueryRow,
  type TimeOf,
  toActivity,
  toDrop,
  toHandshakeEnd,
  toListenerSample,
  toQueryEnd,
} from './record-rows.js';
import type { HandshakeEnd, ListenerSample, QueryEnd, ReceiveDrop } from './records.js';

/** Batches and records that are read at a time, besides what is left of the last transaction. */
const PAGE_BATCHES = 200;
const PAGE_RECORDS = 20_000;
/** Slow or failed records of one kind that are judged of a page; the others are counted as passed over. */
export const MOST_SUSPECTS = 5_000;
/** Batches whose records lie further apart are looked for one after the other. Microseconds. */
const LONGEST_GAP_US = 10_000_000;
/** What is later than this by its host's clock, put right, is taken for just now: the clock was set meanwhile. Microseconds. */
const LATEST_US = 5_000_000;

export interface ArrivedBatch {
  readonly storedIn: number;
  readonly agentId: string;
  readonly mark: string;
  readonly rows: number;
  readonly firstUs: number;
  readonly lastUs: number;
  readonly receivedUs: number;
}

export interface BatchPage {
  readonly batches: readonly ArrivedBatch[];
  readonly end: Snapshot;
  readonly more: boolean;
}

/** What a page of batches brought that may matter. */
export interface Arrivals {
  readonly handshakes: readonly HandshakeEnd[];
  readonly activities: readonly Activity[];
  readonly samples: readonly ListenerSample[];
  readonly drops: readonly ReceiveDrop[];
  readonly queries: readonly QueryEnd[];
  readonly questions: readonly QuestionActivity[];
}

/** Who asked, or was asked. */
export interface QuestionActivity {
  readonly agentId: string;
  readonly netns: number | null;
  readonly side: 'client' | 'resolver';
  readonly ownAddress: string;
  readonly serverPort: number;
  readonly seenAtUs: number;
}

/** Reads what was stored since, batch by batch, in the order of their transactions. */
@Injectable()
export class ArrivalStore {
  constructor(private readonly pool: DatabasePool) {}

  snapshot(): Promise<Snapshot> {
    return readSnapshot(this.pool);
  }

  async page(from: Snapshot, to: Snapshot): Promise<BatchPage> {
    const { parameters, place } = placing();
    const { rows } = await this.pool.query<BatchRow>(
      `SELECT ${BATCH_COLUMNS} FROM ${committedBatchesSql(from, to, place)}
        ORDER BY stored_in FETCH FIRST ${PAGE_BATCHES} ROWS WITH TIES`,
      parameters,
    );
    const batches = rows.map(toBatch);
    const end = endOfPage(batches, PAGE_RECORDS);
    const last = batches[end - 1];
    const more = rows.length >= PAGE_BATCHES || end < rows.length;
    return {
      batches: batches.slice(0, end),
      end: more && last ? snapshotThrough(from, to, last.storedIn) : to,
      more,
    };
  }

  /** How many records wait. */
  async waiting(from: Snapshot, to: Snapshot): Promise<number> {
    const { parameters, place } = placing();
    const { rows } = await this.pool.query<{ rows: number }>(
      `SELECT coalesce(sum(rows), 0)::bigint AS rows FROM ${committedBatchesSql(from, to, place)}`,
      parameters,
    );
    return rows[0]?.rows ?? 0;
  }

  /** What was stored shortly before, newest first: for a replica that takes over, and knows nothing of it. */
  async recent(before: Snapshot, seconds: number): Promise<readonly ArrivedBatch[]> {
    const { rows } = await this.pool.query<BatchRow>(
      `SELECT ${BATCH_COLUMNS} FROM ingest_batch
        WHERE received_at >= $1::timestamptz AND rows > 0 AND stored_in < $2::xid8 AND stored_in <> ALL ($3::xid8[])
        ORDER BY stored_in DESC LIMIT 1000`,
      [
        formatMicroseconds(BigInt(Date.now() - seconds * 1_000) * 1_000n),
        `${before.next}`,
        before.running.map(String),
      ],
    );
    return rows.map(toBatch);
  }

  async read(batches: readonly ArrivedBatch[]): Promise<Arrivals> {
    const timeOf = await this.timing(batches);
    const found: Arrivals[] = [];
    for (const cluster of clustersOf(batches)) found.push(await this.readCluster(cluster, timeOf));
    const all = <K extends keyof Arrivals>(kind: K) => found.flatMap((arrivals) => [...arrivals[kind]]);
    return {
      handshakes: all('handshakes') as HandshakeEnd[],
      activities: all('activities') as Activity[],
      samples: all('samples') as ListenerSample[],
      drops: all('drops') as ReceiveDrop[],
      queries: all('queries') as QueryEnd[],
      questions: all('questions') as QuestionActivity[],
    };
  }

  private async readCluster(cluster: Cluster, timeOf: TimeOf): Promise<Arrivals> {
    const within = {
      sql: `observed_at >= $1::timestamptz AND observed_at <= $2::timestamptz AND agent_id = ANY ($3::uuid[])
        AND substr(id::text, 20, 14) = ANY ($4::text[])`,
      parameters: [
        formatMicroseconds(BigInt(cluster.firstUs)),
        formatMicroseconds(BigInt(cluster.lastUs)),
        [...new Set(cluster.batches.map(({ agentId }) => agentId))],
        cluster.batches.map(({ mark }) => mark),
      ],
    };
    const rows = async <R extends object>(columns: string, rest: string): Promise<R[]> =>
      (
        await this.pool.query<R>(
          `SELECT ${columns} FROM ${rest.replace('$within', within.sql)}`,
          within.parameters,
        )
      ).rows;
    return {
      handshakes: (
        await rows<HandshakeRow>(
          HANDSHAKE_COLUMNS,
          // 1 is established; what waited for accept() is told by its wait, or by flag 8; flag 1 is the cookie path.
          `handshake WHERE $within AND (outcome <> 1 OR syn_retransmits > 0 OR syn_ack_retransmits > 0
             OR accept_wait_us >= 200000 OR flags & 9 <> 0) ORDER BY observed_at LIMIT ${MOST_SUSPECTS}`,
        )
      ).map((row) => toHandshakeEnd(row, timeOf)),
      activities: (await rows<ActivityRow>(ACTIVITY_SQL.columns, ACTIVITY_SQL.rest)).map((row) =>
        toActivity(row, timeOf),
      ),
      samples: (
        await rows<ListenerRow>(
          LISTENER_COLUMNS,
          `listener_sample WHERE $within ORDER BY observed_at LIMIT 20000`,
        )
      ).map((row) => toListenerSample(row, timeOf)),
      drops: (
        await rows<DropRow>(
          DROP_COLUMNS,
          `receive_queue_drop WHERE $within ORDER BY observed_at LIMIT ${MOST_SUSPECTS}`,
        )
      ).map((row) => toDrop(row, timeOf)),
      queries: (
        await rows<QueryRow>(
          QUERY_COLUMNS,
          // 1 is answered.
          `dns_query WHERE $within AND (outcome <> 1 OR elapsed_us >= 200000 OR attempt > 1)
            ORDER BY observed_at LIMIT ${MOST_SUSPECTS}`,
        )
      ).map((row) => toQueryEnd(row, timeOf)),
      questions: (
        await rows<QuestionRow>(
          `agent_id AS "agentId", netns, side, host(CASE side WHEN 1 THEN client_address ELSE server_address END) AS "ownAddress",
           server_port AS "serverPort", max(observed_at) AS "lastAt"`,
          `dns_query WHERE $within GROUP BY 1, 2, 3, 4, 5 LIMIT ${MOST_SUSPECTS}`,
        )
      ).map(({ lastAt, side, ...row }) => ({
        ...row,
        side: side === 1 ? ('client' as const) : ('resolver' as const),
        seenAtUs: timeOf(row.agentId, microseconds(lastAt)),
      })),
    };
  }

  /** How to put the clocks of these agents right. What a batch cannot have held yet when it came was measured by a clock that was set since. */
  private async timing(batches: readonly ArrivedBatch[]): Promise<TimeOf> {
    const agentIds = [...new Set(batches.map(({ agentId }) => agentId))];
    const { rows } = await this.pool.query<{ id: string; offset: number | null }>(
      'SELECT id, clock_offset_us AS offset FROM agent WHERE id = ANY ($1::uuid[])',
      [agentIds],
    );
    const offsets = new Map(rows.map(({ id, offset }) => [id, offset ?? 0]));
    const received = new Map<string, number>();
    for (const { agentId, receivedUs } of batches)
      received.set(agentId, Math.max(receivedUs, received.get(agentId) ?? 0));
    return (agentId, observedUs) => {
      const atUs = observedUs - (offsets.get(agentId) ?? 0);
      const receivedUs = received.get(agentId) ?? atUs;
      return atUs > receivedUs + LATEST_US ? receivedUs : atUs;
    };
  }
}

interface QuestionRow {
  readonly agentId: string;
  readonly netns: number | null;
  readonly side: number;
  readonly ownAddress: string;
  readonly serverPort: number;
  readonly lastAt: string;
}

interface BatchRow {
  readonly storedIn: string;
  readonly agentId: string;
  readonly bootId: string;
  readonly seq: number;
  readonly rows: number;
  readonly firstAt: string;
  readonly lastAt: string;
  readonly receivedAt: string;
}

const BATCH_COLUMNS = `stored_in::text AS "storedIn", agent_id AS "agentId", boot_id AS "bootId", seq, rows,
  first_observed_at AS "firstAt", last_observed_at AS "lastAt", received_at AS "receivedAt"`;

function toBatch(row: BatchRow): ArrivedBatch {
  return {
    storedIn: Number(row.storedIn),
    agentId: row.agentId,
    mark: markOf(row),
    rows: row.rows,
    firstUs: microseconds(row.firstAt),
    lastUs: microseconds(row.lastAt),
    receivedUs: microseconds(row.receivedAt),
  };
}

function microseconds(text: string): number {
  return Number(resolveTime(text, 0) ?? 0n);
}

/** What the ids of a batch's records have from the variant up to the row, as a part of the id's text. */
function markOf({ agentId, bootId, seq }: BatchRow): string {
  const { high, low } = hashOfBatch(uuidToBytes(agentId), uuidToBytes(bootId), seq);
  const digits = high.toString(16).padStart(8, '0') + (low >>> 12).toString(16).padStart(5, '0');
  return `${digits.slice(0, 4)}-${digits.slice(4)}`;
}

interface Cluster {
  readonly batches: ArrivedBatch[];
  readonly firstUs: number;
  lastUs: number;
}

/** Batches whose records were observed at about the same time: an agent that was away sends what it observed then. */
function clustersOf(batches: readonly ArrivedBatch[]): Cluster[] {
  const clusters: Cluster[] = [];
  for (const batch of [...batches].sort((left, right) => left.firstUs - right.firstUs)) {
    const cluster = clusters.at(-1);
    if (cluster && batch.firstUs <= cluster.lastUs + LONGEST_GAP_US) {
      cluster.batches.push(batch);
      cluster.lastUs = Math.max(cluster.lastUs, batch.lastUs);
    } else clusters.push({ batches: [batch], firstUs: batch.firstUs, lastUs: batch.lastUs });
  }
  return clusters;
}
