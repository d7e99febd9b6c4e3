import { LossCause } from '@synscope/protocol';
import { createTestDatabase } from '@synscope/testing';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createDatabasePool, type DatabasePool } from '../database/database-pool.js';
import type { ReadinessChecks } from '../health/readiness-checks.js';
import { WindowLossStore } from '../record-storage/window-loss.store.js';
import { batchBytes, handshakeRecord } from '../testing/handshake-batch.js';
import { startTestIngest, type TestIngest } from '../testing/test-ingest.js';
import { BatchRefusedError } from './batch-refused.error.js';
import type { IngestService } from './ingest.service.js';
import { IngestStoppedError } from './ingest-stopped.error.js';

const database = await createTestDatabase();
const pool: DatabasePool = createDatabasePool({
  connectionString: database.url,
  maximumConnections: 4,
  statementTimeoutMs: 30_000,
  onConnectionLost: () => {},
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});

const bootId = '0198c0de-0000-7000-8000-0000000000bb';
let agentNumber = 0;
let agentId = '';
let ingest: IngestService;
let readiness: ReadinessChecks;
let metric: TestIngest['metric'];

function startIngest(environment: Record<string, string> = {}): IngestService {
  const started = startTestIngest(database.url, pool, environment);
  ({ readiness, metric } = started);
  return started.ingest;
}

beforeEach(() => {
  agentId = `0198c0de-0000-7000-8000-${(++agentNumber).toString(16).padStart(12, '0')}`;
  ingest = startIngest();
});
afterEach(() => ingest.beforeApplicationShutdown());

const submit = (
  seq: number,
  records = [handshakeRecord()],
  loss = undefined as Parameters<typeof batchBytes>[2],
) => ingest.submit({ agentId, bootId, bytes: batchBytes(seq, records, loss) });

async function count(table: string): Promise<number> {
  const { rows } = await pool.query<{ count: number }>(`SELECT count(*) FROM ${table} WHERE agent_id = $1`, [
    agentId,
  ]);
  return rows[0]?.count ?? -1;
}

async function gaps(): Promise<(number | null)[][]> {
  const { rows } = await pool.query<{ first_seq: number; last_seq: number }>(
    'SELECT first_seq, last_seq FROM record_loss WHERE agent_id = $1 AND cause = 8 ORDER BY first_seq',
    [agentId],
  );
  return rows.map(({ first_seq, last_seq }) => [first_seq, last_seq]);
}

const wholeTime = { since: '2000-01-01T00:00:00Z', until: '2100-01-01T00:00:00Z' };

describe('ingest', () => {
  it('has a batch committed before it resolves', async () => {
    expect(await submit(1, [handshakeRecord(), handshakeRecord()])).toEqual({ seq: 1 });
    expect([await count('handshake'), await count('ingest_batch')]).toEqual([2, 1]);
    expect([
      await metric('synscope_ingest_rows_total'),
      await metric('synscope_ingest_batches_total'),
    ]).toEqual([2, 1]);
  });

  it('stores a batch that is sent twice once, whether the copies come together or one after the other', async () => {
    expect(await Promise.all([submit(1), submit(1), submit(2)])).toEqual([
      { seq: 1 },
      { seq: 1 },
      { seq: 2 },
    ]);
    expect(await submit(1)).toEqual({ seq: 1 });
    expect([await count('handshake'), await count('ingest_batch')]).toEqual([2, 2]);
    expect(await metric('synscope_ingest_duplicate_batches_total')).toBe(2);
  });

  it('stores a batch once that two replicas get at the same time', async () => {
    const other = startIngest();
    const bytes = batchBytes(1, [handshakeRecord()]);
    await Promise.all([ingest, other].map((replica) => replica.submit({ agentId, bootId, bytes })));
    await other.beforeApplicationShutdown();
    expect([await count('handshake'), await count('ingest_batch')]).toEqual([1, 1]);
  });

  it('groups batches of many agents into few transactions', async () => {
    const agents = Array.from(
      { length: 40 },
      (_, i) => `0198c0de-0000-7000-9000-${i.toString(16).padStart(12, '0')}`,
    );
    await Promise.all(
      agents.map((id) => ingest.submit({ agentId: id, bootId, bytes: batchBytes(1, [handshakeRecord()]) })),
    );
    const groups = await metric('synscope_ingest_commit_seconds');
    expect(groups).toBeGreaterThan(0);
    const { rows } = await pool.query(
      'SELECT count(DISTINCT xmin::text)::int AS transactions FROM ingest_batch WHERE agent_id = ANY($1)',
      [agents],
    );
    expect(rows[0].transactions).toBeLessThanOrEqual(4);
  });

  it('records batches that never came, and takes it back piece by piece when they come after all', async () => {
    await submit(1);
    await submit(6);
    expect(await gaps()).toEqual([[2, 5]]);
    await submit(4);
    expect(await gaps()).toEqual([
      [2, 3],
      [5, 5],
    ]);
    await Promise.all([submit(2), submit(3), submit(5)]);
    expect(await gaps()).toEqual([]);
    await submit(7);
    expect(await gaps()).toEqual([]);
  });

  it('counts batches before the first that came as a gap, and says that their records are unknown', async () => {
    await submit(3);
    const loss = await new WindowLossStore(pool).touching({ ...wholeTime, agentIds: [agentId] });
    expect(loss).toMatchObject({
      records: 0,
      intervals: [{ agentId, cause: 'sequence_gap', records: null, batches: 2 }],
    });
    expect(await metric('synscope_ingest_sequence_gap_batches_total')).toBe(2);
  });

  it('stores the loss that a batch reports, once', async () => {
    const now = Date.now() * 1_000;
    const loss = [
      { cause: LossCause.RING_FULL, records: 12, fromUs: now - 5_000_000, untilUs: now },
      { cause: LossCause.AGENT_BUFFER_FULL, records: 3, fromUs: now - 5_000_000, untilUs: now },
    ];
    await submit(1, [], loss);
    await submit(1, [], loss);
    const stored = await new WindowLossStore(pool).touching({ ...wholeTime, agentIds: [agentId] });
    expect(stored.records).toBe(15);
    expect(stored.intervals.map(({ cause }) => cause)).toEqual(['ring_full', 'agent_buffer_full']);
    expect(await metric('synscope_ingest_lost_records_total', { cause: 'ring_full' })).toBe(12);
    const lost = { cause: 'ring_full', probe: 'tcp_handshake' };
    expect(await metric('synscope_ingest_lost_records_total', lost)).toBe(12);
    const before = { since: '2000-01-01T00:00:00Z', until: '2001-01-01T00:00:00Z', agentIds: [agentId] };
    expect(await new WindowLossStore(pool).touching(before)).toEqual({ records: 0, intervals: [] });
  });

  it('leaves out what is not of our time, counts it when it came, and stores the rest of the batch', async () => {
    const now = Date.now() * 1_000;
    const at = (...times: number[]) => times.map((observedAtUs) => handshakeRecord({ observedAtUs }));
    const day = 86_400_000_000;
    await submit(1, at(now - 300 * day, now, now + 2 * day, now - 7, now + day / 2));
    await submit(2, at(now - 300 * day));
    await submit(2, at(now - 300 * day));
    const { rows } = await pool.query(
      'SELECT (extract(epoch FROM observed_at) * 1000000)::bigint AS us FROM handshake WHERE agent_id = $1 ORDER BY 1',
      [agentId],
    );
    expect(rows.map(({ us }) => us)).toEqual([now - 7, now, now + day / 2]);
    const loss = await new WindowLossStore(pool).touching({
      since: new Date(now / 1_000 - 1_000).toISOString(),
      until: new Date().toISOString(),
      agentIds: [agentId],
    });
    expect(loss.records).toBe(3);
    expect(loss.intervals.map(({ cause, probe }) => [cause, probe])).toEqual(
      Array.from({ length: loss.intervals.length }, () => ['out_of_time', 'tcp_handshake']),
    );
    expect(await gaps()).toEqual([]);
    expect(await metric('synscope_ingest_records_without_partition_total')).toBe(3);
  });

  it('keeps the loss that a host with a wrong clock reports, near the time that is kept', async () => {
    const far = Date.now() * 1_000 + 1e15;
    await submit(1, [], [{ cause: LossCause.RING_FULL, records: 5, fromUs: 1, untilUs: far }]);
    const stored = await new WindowLossStore(pool).touching({ ...wholeTime, agentIds: [agentId] });
    expect(stored.records).toBe(5);
    const { rows } = await pool.query(
      `SELECT from_at > now() - interval '366 days' AND until_at < now() + interval '2 days' AS kept FROM record_loss WHERE agent_id = $1`,
      [agentId],
    );
    expect(rows).toEqual([{ kept: true }]);
  });

  it('refuses a poisoned batch alone, and stores those around it', async () => {
    const results = await Promise.allSettled([
      submit(1),
      submit(2, [handshakeRecord({ remotePort: 70_000 })]),
      submit(3),
    ]);
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(results[1]).toMatchObject({ reason: expect.any(BatchRefusedError) });
    expect(await count('handshake')).toBe(2);
    expect(await metric('synscope_ingest_refused_batches_total', { reason: 'out_of_range' })).toBe(1);
    // The agent goes on without it: a gap is what remains.
    expect(await gaps()).toEqual([[2, 2]]);
  });

  it('refuses only the batch that the database itself rejects', async () => {
    await pool.query(`ALTER TABLE handshake ADD CONSTRAINT no_port_666 CHECK (remote_port <> 666)`);
    const results = await Promise.allSettled([
      submit(1),
      submit(2, [handshakeRecord({ remotePort: 666 })]),
      submit(3),
    ]);
    await pool.query('ALTER TABLE handshake DROP CONSTRAINT no_port_666');
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(results[1]).toMatchObject({ reason: { reason: 'rejected_by_database' } });
    expect([await count('handshake'), await count('ingest_batch')]).toEqual([2, 2]);
  });

  it('makes the partition of an old hour on demand, also when it was dropped behind its back', async () => {
    const observedAtUs = (Date.now() - 5 * 3_600_000) * 1_000;
    await submit(1, [handshakeRecord({ observedAtUs })]);
    const { rows } = await pool.query<{ name: string }>(
      'SELECT tableoid::regclass::text AS name FROM handshake WHERE agent_id = $1',
      [agentId],
    );
    await pool.query(`DROP TABLE ${rows[0]?.name}`);
    await submit(2, [handshakeRecord({ observedAtUs })]);
    expect(await count('handshake')).toBe(1);
  });

  it('waits while the database is away, says so, and stores everything once when it is back', async () => {
    await submit(1);
    const name = database.name;
    const outside = new URL(database.url);
    outside.pathname = '/postgres';
    const admin = createDatabasePool({
      connectionString: outside.toString(),
      maximumConnections: 1,
      statementTimeoutMs: 5_000,
      onConnectionLost: () => {},
    });
    await admin.query(`ALTER DATABASE ${name} ALLOW_CONNECTIONS false`);
    await admin.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1', [name]);
    let acknowledged = 0;
    const waiting = [2, 3, 4].map((seq) => submit(seq).then(() => acknowledged++));
    const check = readiness.all().find((candidate) => candidate.name === 'ingest');
    await expect
      .poll(() => check?.check(), { timeout: 5_000 })
      .toMatch(/batches wait .* because the database fails/);
    expect(acknowledged).toBe(0);
    await admin.query(`ALTER DATABASE ${name} ALLOW_CONNECTIONS true`);
    await admin.end();
    await Promise.all(waiting);
    expect(await count('handshake')).toBe(4);
    expect(await check?.check()).toBeNull();
    expect(await metric('synscope_ingest_retries_total')).toBeGreaterThan(0);
  });

  it('makes streams wait above its bound on memory, and lets them on when there is room', async () => {
    await ingest.beforeApplicationShutdown();
    ingest = startIngest({ SYNSCOPE_INGEST_QUEUE_BYTES: '1048576' });
    await ingest.ready();
    const records = Array.from({ length: 4_096 }, () => handshakeRecord());
    const first = [submit(1, records), submit(2, records)];
    let ready = false;
    const room = ingest.ready().then(() => {
      ready = true;
    });
    await Promise.resolve();
    expect(ready).toBe(false);
    expect(await metric('synscope_ingest_queue_bytes')).toBeGreaterThan(1_048_576);
    await Promise.all(first);
    await room;
    expect(await metric('synscope_ingest_queue_bytes')).toBe(0);
  });

  it('lets in one stream after the other, so that the bound holds however many wait', async () => {
    await ingest.beforeApplicationShutdown();
    ingest = startIngest({ SYNSCOPE_INGEST_QUEUE_BYTES: '1048576' });
    const records = Array.from({ length: 2_000 }, () => handshakeRecord());
    const full = [submit(1, records), submit(2, records), submit(3, records)];
    let highest = 0;
    let seq = 3;
    const streams = Array.from({ length: 30 }, async () => {
      await ingest.ready();
      const stored = submit(++seq, records);
      highest = Math.max(highest, await metric('synscope_ingest_queue_bytes'));
      await stored;
    });
    await Promise.all([...full, ...streams]);
    expect(highest).toBeLessThan(3 * 1_048_576);
    expect(await count('handshake')).toBe(33 * 2_000);
  });

  it('commits what it has taken before a shutdown ends, and takes no more', async () => {
    const taken = [submit(1), submit(2)];
    const closed = ingest.beforeApplicationShutdown();
    await expect(submit(3)).rejects.toBeInstanceOf(IngestStoppedError);
    await closed;
    await Promise.all(taken);
    expect(await count('handshake')).toBe(2);
    ingest = startIngest();
  });

  it('ends a shutdown in time although the database is locked, and acknowledges nothing that is not stored', async () => {
    await ingest.beforeApplicationShutdown();
    ingest = startIngest({ SYNSCOPE_SHUTDOWN_TIMEOUT: '1s' });
    const locker = await pool.connect();
    await locker.query('BEGIN; LOCK TABLE ingest_batch IN ACCESS EXCLUSIVE MODE');
    const results = Promise.allSettled([submit(1), submit(2)]);
    await ingest.beforeApplicationShutdown();
    await locker.query('ROLLBACK');
    locker.release();
    expect((await results).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect(await count('ingest_batch')).toBe(0);
    ingest = startIngest();
  });
});
