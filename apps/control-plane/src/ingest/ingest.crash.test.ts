import { startThrowawayPostgres } from '@synscope/testing';
import pg from 'pg';
import { afterAll, expect, it } from 'vitest';
import { createDatabasePool } from '../database/database-pool.js';
import { prepareDatabase } from '../database/prepare-database.js';
import { RECORD_TABLES } from '../record-storage/record-table.js';
import { dnsQueryRecord } from '../testing/dns-query-record.js';
import { handshakeRecord } from '../testing/handshake-batch.js';
import { listenerRecord } from '../testing/listener-record.js';
import { nameLookupRecord } from '../testing/name-lookup-record.js';
import { receiveQueueDropRecord } from '../testing/receive-queue-drop-record.js';
import { recordBatchBytes } from '../testing/record-batch.js';
import { startTestIngest } from '../testing/test-ingest.js';

const postgres = await startThrowawayPostgres({ durable: true });
afterAll(() => postgres.remove());

const AGENTS = 6;
const BATCHES = 60;
/** Per batch and kind of record. */
const ROWS = 30;
const bootId = '0198c0de-0000-7000-8000-0000000000bb';
const agentId = (agent: number) => `0198c0de-0000-7000-8000-${agent.toString(16).padStart(12, '0')}`;

it('loses nothing and stores nothing twice when Postgres is killed twice under load', async () => {
  await prepareDatabase({ databaseUrl: postgres.url, waitSeconds: 5, log: () => {} });
  const pool = createDatabasePool({
    connectionString: postgres.url,
    maximumConnections: 4,
    statementTimeoutMs: 10_000,
    onConnectionLost: () => {},
  });
  const { ingest } = startTestIngest(postgres.url, pool);

  let acknowledged = 0;
  const reached: { at: number; resolve: () => void }[] = [];
  const acknowledgedAtLeast = (at: number) => new Promise<void>((resolve) => reached.push({ at, resolve }));
  // An agent keeps four batches on their way.
  const agents = Array.from({ length: AGENTS }, async (_, agent) => {
    const contents = {
      handshakes: Array.from({ length: ROWS }, () => handshakeRecord()),
      dnsQueries: Array.from({ length: ROWS }, () => dnsQueryRecord()),
      nameLookups: Array.from({ length: ROWS }, () => nameLookupRecord()),
      receiveQueueDrops: Array.from({ length: ROWS }, () => receiveQueueDropRecord()),
      listeners: Array.from({ length: ROWS }, () => listenerRecord()),
    };
    let seq = 0;
    const lane = async () => {
      while (seq < BATCHES) {
        const bytes = recordBatchBytes(++seq, contents);
        await ingest.ready();
        await ingest.submit({ agentId: agentId(agent), bootId, bytes });
        acknowledged++;
        for (const waiting of reached) if (acknowledged >= waiting.at) waiting.resolve();
      }
    };
    await Promise.all([lane(), lane(), lane(), lane()]);
  });
  for (const share of [0.2, 0.6]) {
    await acknowledgedAtLeast(AGENTS * BATCHES * share);
    await postgres.kill();
    await postgres.start();
  }
  await Promise.all(agents);
  await ingest.beforeApplicationShutdown();
  await pool.end();

  const client = new pg.Client({ connectionString: postgres.url });
  await client.connect();
  const batches = AGENTS * BATCHES;
  for (const table of RECORD_TABLES) {
    const { rows } = await client.query(
      `SELECT count(*)::int AS rows, count(DISTINCT id)::int AS ids FROM ${table}`,
    );
    expect(rows).toEqual([{ rows: batches * ROWS, ids: batches * ROWS }]);
  }
  const { rows } = await client.query(
    'SELECT (SELECT count(*)::int FROM ingest_batch) AS batches, (SELECT count(*)::int FROM record_loss) AS gaps',
  );
  await client.end();
  expect(rows).toEqual([{ batches, gaps: 0 }]);
}, 60_000);
