import { LossCause } from '@synscope/protocol';
import type { ClientBase } from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { COPY_HEADER, COPY_TRAILER } from './copy-format.js';
import { observationOf, type PendingBatch, rowCountOf } from './pending-batch.js';
import { copyColumnsOf } from './record-kind.js';
import { RECORD_KINDS } from './record-kinds.js';
import type { TableRows } from './row-writer.js';
import { findSequenceGaps, type HighestBatch, type SequenceGap } from './sequence-gaps.js';

/** "syni" in ASCII: keeps these advisory locks apart from others. */
const AGENT_LOCK_CLASS = 0x73796e69;

const COPY_STATEMENTS = RECORD_KINDS.map((kind) => ({
  table: kind.table,
  sql: `COPY ${kind.table} (${copyColumnsOf(kind).join(', ')}) FROM STDIN (FORMAT binary)`,
}));

export interface LossRecord {
  readonly agentId: string;
  readonly bootId: string;
  readonly cause: number;
  /** Null for batches that never came: they could have held records of any. */
  readonly probe: number | null;
  readonly records: number | null;
  readonly fromUs: number;
  readonly untilUs: number;
  readonly firstSeq: number | null;
  readonly lastSeq: number | null;
}

export interface StoredGroup {
  /** Batches that were not stored before; the others of the group were, and nothing was written for them. */
  readonly fresh: readonly PendingBatch[];
  readonly loss: readonly LossRecord[];
}

/**
 * Writes a group of batches, no key twice among them, in one transaction: the ledger, the rows of those batches that are new to it, and
 * their loss.
 */
export async function storeGroup(client: ClientBase, batches: readonly PendingBatch[]): Promise<StoredGroup> {
  await begin(client, batches);
  try {
    const boots = groupByBoot(batches);
    const highest = await readHighestBatches(client, boots);
    const fresh = await insertIntoLedger(client, batches);
    for (const { table, sql } of COPY_STATEMENTS) {
      const rows = fresh.flatMap((batch) => batch.rows.filter((ofTable) => ofTable.table === table));
      if (rows.length > 0) await copyRows(client, sql, rows);
    }
    const loss = fresh.flatMap(reportedLossOf);
    for (const [boot, ofBoot] of groupByBoot(fresh)) {
      const { gaps, late } = findSequenceGaps(highest.get(boot) ?? null, ofBoot);
      const [{ agentId, bootId }] = ofBoot;
      loss.push(...gaps.map((gap) => lossOfGap(agentId, bootId, gap)));
      for (const seq of late) await fillGap(client, agentId, bootId, seq);
    }
    if (loss.length > 0) await insertLoss(client, loss);
    await client.query('COMMIT');
    return { fresh, loss };
  } catch (error) {
    await client.query('ROLLBACK').catch(() => undefined);
    throw error;
  }
}

/**
 * One replica at a time writes for an agent: otherwise one that just reconnected elsewhere could have its later batch committed first,
 * and a gap recorded that is none. In the order of the locks' numbers, so that two replicas never wait for each other.
 */
async function begin(client: ClientBase, batches: readonly PendingBatch[]): Promise<void> {
  const locks = [...new Set(batches.map(({ agentId }) => Number.parseInt(agentId.slice(-8), 16) | 0))];
  const calls = locks
    .sort((a, b) => a - b)
    .map((lock) => `pg_advisory_xact_lock(${AGENT_LOCK_CLASS}, ${lock})`);
  await client.query(`BEGIN; SELECT ${calls.join(', ')}`);
}

async function readHighestBatches(
  client: ClientBase,
  boots: ReadonlyMap<string, BatchesOfBoot>,
): Promise<Map<string, HighestBatch>> {
  const firsts = [...boots.values()].map(([first]) => first);
  const { rows } = await client.query<{ agent_id: string; boot_id: string; seq: string; until_us: string }>({
    name: 'ingest-highest-batches',
    text: `SELECT boot.agent_id, boot.boot_id, highest.seq::text, highest.until_us::text
             FROM unnest($1::uuid[], $2::uuid[]) AS boot (agent_id, boot_id)
            CROSS JOIN LATERAL (
              SELECT seq, (extract(epoch FROM coalesce(last_observed_at, received_at)) * 1000000)::bigint AS until_us
                FROM ingest_batch stored
               WHERE stored.agent_id = boot.agent_id AND stored.boot_id = boot.boot_id
               ORDER BY seq DESC LIMIT 1) AS highest`,
    values: [firsts.map(({ agentId }) => agentId), firsts.map(({ bootId }) => bootId)],
  });
  return new Map(
    rows.map((row) => [
      `${row.agent_id}/${row.boot_id}`,
      { seq: Number(row.seq), observedUntilUs: Number(row.until_us) },
    ]),
  );
}

async function insertIntoLedger(
  client: ClientBase,
  batches: readonly PendingBatch[],
): Promise<PendingBatch[]> {
  const observed = batches.map(observationOf);
  const { rows } = await client.query<{ agent_id: string; boot_id: string; seq: string }>({
    name: 'ingest-ledger',
    text: `INSERT INTO ingest_batch (agent_id, boot_id, seq, rows, received_at, first_observed_at, last_observed_at)
           SELECT agent_id, boot_id, seq, rows, to_timestamp(received_us / 1e6), to_timestamp(first_us / 1e6), to_timestamp(last_us / 1e6)
             FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::integer[], $5::bigint[], $6::bigint[], $7::bigint[])
               AS batch (agent_id, boot_id, seq, rows, received_us, first_us, last_us)
           ON CONFLICT DO NOTHING
           RETURNING agent_id, boot_id, seq::text`,
    values: [
      batches.map(({ agentId }) => agentId),
      batches.map(({ bootId }) => bootId),
      batches.map(({ seq }) => seq),
      batches.map(rowCountOf),
      batches.map(({ receivedAtMs }) => receivedAtMs * 1_000),
      observed.map((times) => times?.firstUs ?? null),
      observed.map((times) => times?.lastUs ?? null),
    ],
  });
  if (rows.length === batches.length) return [...batches];
  const inserted = new Set(rows.map((row) => `${row.agent_id}/${row.boot_id}/${row.seq}`));
  return batches.filter(({ key }) => inserted.has(key));
}

function copyRows(client: ClientBase, statement: string, rows: readonly TableRows[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const stream = client.query(copyFrom(statement));
    // Not once: a lost connection may be reported after another error, and without a listener would end the process.
    stream.on('error', reject);
    stream.once('finish', resolve);
    // A group is bounded by the queue, so it is handed over whole: waiting for each drain would only cost round trips.
    stream.cork();
    stream.write(COPY_HEADER);
    for (const { bytes } of rows) stream.write(bytes);
    stream.end(COPY_TRAILER);
  });
}

function reportedLossOf({ agentId, bootId, loss }: PendingBatch): LossRecord[] {
  return loss.map((reported) => ({ ...reported, agentId, bootId, firstSeq: null, lastSeq: null }));
}

function lossOfGap(agentId: string, bootId: string, gap: SequenceGap): LossRecord {
  // A batch holds any number of records: how many were lost is not known, only how many batches.
  return { ...gap, agentId, bootId, cause: LossCause.SEQUENCE_GAP, probe: null, records: null };
}

/** Takes a batch that came after all out of the gap that was recorded for it, and keeps what is left of that gap on either side. */
async function fillGap(client: ClientBase, agentId: string, bootId: string, seq: number): Promise<void> {
  const { rows } = await client.query<{
    first_seq: string;
    last_seq: string;
    from_us: string;
    until_us: string;
  }>(
    `DELETE FROM record_loss
      WHERE agent_id = $1 AND boot_id = $2 AND cause = ${LossCause.SEQUENCE_GAP} AND first_seq <= $3 AND last_seq >= $3
      RETURNING first_seq::text, last_seq::text,
        (extract(epoch FROM from_at) * 1000000)::bigint::text AS from_us,
        (extract(epoch FROM until_at) * 1000000)::bigint::text AS until_us`,
    [agentId, bootId, seq],
  );
  const rest = rows
    .flatMap(({ first_seq, last_seq, from_us, until_us }) => {
      const times = { fromUs: Number(from_us), untilUs: Number(until_us) };
      return [
        { ...times, firstSeq: Number(first_seq), lastSeq: seq - 1 },
        { ...times, firstSeq: seq + 1, lastSeq: Number(last_seq) },
      ];
    })
    .filter(({ firstSeq, lastSeq }) => firstSeq <= lastSeq)
    .map((gap) => lossOfGap(agentId, bootId, gap));
  if (rest.length > 0) await insertLoss(client, rest);
}

async function insertLoss(client: ClientBase, loss: readonly LossRecord[]): Promise<void> {
  await client.query(
    `INSERT INTO record_loss (agent_id, boot_id, cause, probe, records, from_at, until_at, first_seq, last_seq)
     SELECT agent_id, boot_id, cause, probe, records, to_timestamp(from_us / 1e6), to_timestamp(until_us / 1e6), first_seq, last_seq
       FROM unnest($1::uuid[], $2::uuid[], $3::smallint[], $4::smallint[], $5::bigint[], $6::bigint[], $7::bigint[],
                   $8::bigint[], $9::bigint[])
         AS loss (agent_id, boot_id, cause, probe, records, from_us, until_us, first_seq, last_seq)`,
    [
      loss.map(({ agentId }) => agentId),
      loss.map(({ bootId }) => bootId),
      loss.map(({ cause }) => cause),
      loss.map(({ probe }) => probe),
      loss.map(({ records }) => records),
      loss.map(({ fromUs }) => fromUs),
      loss.map(({ untilUs }) => untilUs),
      loss.map(({ firstSeq }) => firstSeq),
      loss.map(({ lastSeq }) => lastSeq),
    ],
  );
}

type BatchesOfBoot = readonly [PendingBatch, ...PendingBatch[]];

/** By `agentId/bootId`, each in ascending order. */
function groupByBoot(batches: readonly PendingBatch[]): Map<string, BatchesOfBoot> {
  const boots = new Map<string, [PendingBatch, ...PendingBatch[]]>();
  for (const batch of batches) {
    const key = `${batch.agentId}/${batch.bootId}`;
    const boot = boots.get(key);
    if (boot) boot.push(batch);
    else boots.set(key, [batch]);
  }
  for (const boot of boots.values()) boot.sort((a, b) => a.seq - b.seq);
  return boots;
}
