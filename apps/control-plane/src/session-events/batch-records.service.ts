import { Injectable } from '@nestjs/common';
import { formatMicroseconds, type ProbeName, resolveTime } from '@synscope/api-contract';
import { uuidToBytes } from '../grpc/uuid-bytes.js';
import type { RecordConditions } from '../record-queries/record-conditions.js';
import { RecordReader } from '../record-queries/record-reader.js';
import { hashOfBatch } from '../record-storage/record-id.js';
import type { StoredBatch } from './stored-batch.store.js';
import { STREAMED_KINDS, type StreamedKind, type StreamedRecord } from './streamed-kinds.js';

/**
 * Records that are read, and held in memory for a reader, at a time; about 700 bytes each as JSON. Each reading looks through what the
 * time index does not cover yet, of all sessions, so there should be few.
 */
const CHUNK_RECORDS = 2_000;
/** Batches that lie further apart are looked for one after the other: an agent that was away sends what it observed then. */
const LONGEST_GAP_US = 10_000_000n;

export interface RecordChunk {
  readonly event: StreamedKind['event'];
  readonly records: readonly StreamedRecord[];
}

/** Batches whose records were observed at about the same time. */
interface BatchCluster {
  readonly batches: StoredBatch[];
  readonly firstUs: bigint;
  lastUs: bigint;
}

/** The records of a session that batches brought. */
@Injectable()
export class BatchRecords {
  constructor(private readonly reader: RecordReader) {}

  /** In an order that is the same each time: by time roughly, then by kind, then by time. Reads on when asked for more. */
  async *of(
    session: { readonly id: string; readonly probes: readonly ProbeName[] },
    batches: readonly StoredBatch[],
  ): AsyncGenerator<RecordChunk, void, undefined> {
    for (const cluster of clustersOf(batches)) {
      const scope = scopeOf(session.id, cluster);
      let left = cluster.batches.reduce((sum, { rows }) => sum + rows, 0);
      for (const kind of kindsOf(session.probes)) {
        let afterId: string | null = null;
        for (let full = true; full && left > 0; ) {
          const limit = Math.min(left, CHUNK_RECORDS);
          const records: readonly StreamedRecord[] = await kind.read(
            this.reader,
            scope,
            within(cluster),
            afterId,
            limit,
          );
          if (records.length > 0) yield { event: kind.event, records };
          afterId = records.at(-1)?.id ?? null;
          left -= records.length;
          full = records.length === limit;
        }
      }
    }
  }

  async count(
    session: { readonly id: string; readonly probes: readonly ProbeName[] },
    batches: readonly StoredBatch[],
  ): Promise<number> {
    let records = 0;
    for (const cluster of clustersOf(batches)) {
      for (const kind of kindsOf(session.probes)) {
        records += await kind.count(this.reader, scopeOf(session.id, cluster), within(cluster));
      }
    }
    return records;
  }
}

function kindsOf(probes: readonly ProbeName[]): StreamedKind[] {
  return STREAMED_KINDS.filter(({ probe }) => probes.includes(probe));
}

function clustersOf(batches: readonly StoredBatch[]): BatchCluster[] {
  const clusters: BatchCluster[] = [];
  const byTime = batches
    .map((batch) => ({
      batch,
      firstUs: resolveTime(batch.firstObservedAt, 0) ?? 0n,
      lastUs: resolveTime(batch.lastObservedAt, 0) ?? 0n,
    }))
    .sort((left, right) => Number(left.firstUs - right.firstUs));
  for (const { batch, firstUs, lastUs } of byTime) {
    const cluster = clusters.at(-1);
    if (cluster && firstUs <= cluster.lastUs + LONGEST_GAP_US) {
      cluster.batches.push(batch);
      if (lastUs > cluster.lastUs) cluster.lastUs = lastUs;
    } else clusters.push({ batches: [batch], firstUs, lastUs });
  }
  return clusters;
}

function scopeOf(sessionId: string, { batches, firstUs, lastUs }: BatchCluster) {
  return {
    filter: { sessionId },
    agentIds: [...new Set(batches.map(({ agentId }) => agentId))],
    since: formatMicroseconds(firstUs),
    until: formatMicroseconds(lastUs + 1n),
  };
}

/** Other batches of the same agents and the same time are left out by the part of a record's id that stands for its batch. */
function within({ batches }: BatchCluster): (conditions: RecordConditions) => RecordConditions {
  const marks = batches.map(markOfBatch);
  return (conditions) =>
    conditions.add(`substr(id::text, 20, 14) = ANY (${conditions.place(marks)}::text[])`);
}

/** What the ids of a batch's records have from the variant up to the row, as a part of the id's text. */
function markOfBatch({ agentId, bootId, seq }: StoredBatch): string {
  const { high, low } = hashOfBatch(uuidToBytes(agentId), uuidToBytes(bootId), seq);
  const digits = high.toString(16).padStart(8, '0') + (low >>> 12).toString(16).padStart(5, '0');
  return `${digits.slice(0, 4)}-${digits.slice(4)}`;
}
