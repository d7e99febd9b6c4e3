import { Injectable } from '@nestjs/common';
import { formatMicroseconds, resolveTime } from '@synscope/api-contract';
import { DatabasePool } from '../../database/database-pool.js';
import { uuidToBytes } from '../../grpc/uuid-bytes.js';
import { hashOfBatch } from '../../record-storage/record-id.js';
import { committedBatchesSql, endOfPage, placing } from '../../stored-batches/committed-batches.js';
import { readSnapshot } from '../../stored-batches/read-snapshot.js';
import { type Snapshot, snapshotThrough } from '../../stored-batches/snapshot.js';
import { type Arrivals, EvidenceReader, mergeArrivals } from './evidence-reader.js';
import type { TimeOf } from './record-rows.js';

/** Batches and records that are read at a time, besides what is left of the last transaction. */
const PAGE_BATCHES = 200;
const PAGE_RECORDS = 4_000;
/** Records of one kind that are taken from a page at most. A page holds fewer, unless one transaction stored as many. */
const MOST_SUSPECTS = 20_000;
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

/** Reads what was stored since, batch by batch, in the order of their transactions. */
@Injectable()
export class ArrivalStore {
  constructor(
    private readonly pool: DatabasePool,
    private readonly records: EvidenceReader,
  ) {}

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
    return mergeArrivals(found);
  }

  private async readCluster(cluster: Cluster, timeOf: TimeOf): Promise<Arrivals> {
    const sql = `observed_at >= $1::timestamptz AND observed_at <= $2::timestamptz AND agent_id = ANY ($3::uuid[])
        AND substr(id::text, 20, 14) = ANY ($4::text[])`;
    return this.records.read(timeOf, {
      conditions: {
        handshake: sql,
        activity: sql,
        listenerSample: sql,
        receiveQueueDrop: sql,
        dnsQuery: sql,
        question: sql,
      },
      parameters: [
        formatMicroseconds(BigInt(cluster.firstUs)),
        formatMicroseconds(BigInt(cluster.lastUs)),
        [...new Set(cluster.batches.map(({ agentId }) => agentId))],
        cluster.batches.map(({ mark }) => mark),
      ],
      limit: MOST_SUSPECTS,
    });
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
