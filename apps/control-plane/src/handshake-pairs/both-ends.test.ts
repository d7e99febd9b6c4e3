import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DatabasePool } from '../database/database-pool.js';
import { IngestService } from '../ingest/ingest.service.js';
import { eventually } from '../testing/eventually.js';
import { batchBytes, type HandshakeRecord } from '../testing/handshake-batch.js';
import { endsOf, trueHandshake } from '../testing/handshake-ends.js';
import { startTestApplication, type TestApplication } from '../testing/test-application.js';

const web = '0198c0de-0000-7000-8000-000000000001';
const db = '0198c0de-0000-7000-8000-000000000002';
const bootId = '0198c0de-0000-7000-8000-0000000000bb';
const HOUR_US = 3_600_000_000;

let application: TestApplication;
let pool: DatabasePool;
let seq = 0;

beforeAll(async () => {
  application = await startTestApplication();
  pool = application.app.get(DatabasePool);
  for (const [id, hostname, offsetUs] of [
    [web, 'web-1', -2_000],
    [db, 'db-1', 5_000],
  ] as const) {
    await pool.query(
      `INSERT INTO agent (id, hostname, public_key_hash, clock_offset_us, clock_offset_uncertainty_us) VALUES ($1, $2, '', $3, 250)`,
      [id, hostname, offsetUs],
    );
  }
});
afterAll(() => application.close());

async function arrive(agentId: string, record: HandshakeRecord): Promise<void> {
  await application.app.get(IngestService).submit({ agentId, bootId, bytes: batchBytes(++seq, [record]) });
}

async function idOf(agentId: string, record: HandshakeRecord): Promise<string> {
  const { rows } = await pool.query<{ id: string }>(
    'SELECT id FROM handshake WHERE agent_id = $1 AND client_isn = $2 AND role = $3',
    [agentId, record.clientIsn, record.role],
  );
  return rows[0]?.id ?? '';
}

/** Keeps the joiner from doing anything meanwhile. */
async function withoutJoiner<T>(work: () => Promise<T>): Promise<T> {
  const client = await pool.connect();
  await client.query('BEGIN; SELECT FROM handshake_join_progress FOR UPDATE');
  try {
    return await work();
  } finally {
    await client.query('ROLLBACK');
    client.release();
  }
}

const detail = async (id: string) => (await application.call('GET', `/handshakes/${id}`)).body;
const metric = async (name: string) =>
  Number(
    new RegExp(`^${name} (\\S+)$`, 'm').exec((await application.call('GET', '/metrics')).text)?.[1] ?? -1,
  );

describe('GET /handshakes/{id}', () => {
  it('tells the other end and where the time went from either end, before the joiner has come to it and after', async () => {
    const truth = trueHandshake({ lostSynWaitUs: 1_020_000, synRetransmits: 1, acceptWaitUs: 8_000 });
    const { client, server } = endsOf(truth);
    const shown = async () => {
      const [clientId, serverId] = [await idOf(web, client), await idOf(db, server)];
      const [ofClient, ofServer] = [await detail(clientId), await detail(serverId)];
      expect(ofClient.peer).toEqual({ handshakeId: serverId, agentId: db, hostname: 'db-1', match: 'exact' });
      expect(ofServer.peer).toEqual({
        handshakeId: clientId,
        agentId: web,
        hostname: 'web-1',
        match: 'exact',
      });
      expect(ofServer.breakdown).toEqual(ofClient.breakdown);
      expect(ofClient.breakdown).toMatchObject({
        networkRoundTrip: { us: 50_000, derivedFrom: 'latencyUs of the client less lostSynWait' },
        lostSynWait: { us: 1_020_000, derivedFrom: 'latencyUs of the client less latencyUs of the server' },
        lostSynAckWait: { us: 0, derivedFrom: 'the server sent one SYN-ACK' },
        serverQueue: { us: 0 },
        acceptWait: { us: 8_000, derivedFrom: 'acceptWaitUs of the server' },
      });
      // The clocks are off by −2 ms and +5 ms, as these records are not.
      const { synSentToSynRecv, synRecvToEstablished } = ofClient.stages;
      expect(synSentToSynRecv.us).toBe(1_020_000 + 25_000 - 7_000);
      expect(synRecvToEstablished.us).toBe(25_000 + 7_000);
      expect(synSentToSynRecv.uncertaintyUs).toBeGreaterThanOrEqual(500);
    };
    await withoutJoiner(async () => {
      await arrive(web, client);
      expect((await detail(await idOf(web, client))).peer).toBeNull();
      await arrive(db, server);
      expect((await pool.query('SELECT FROM handshake_pair')).rowCount).toBe(0);
      await shown();
    });
    await eventually(
      async () => (await pool.query('SELECT FROM handshake_pair')).rowCount,
      (pairs) => pairs === 1,
    );
    await shown();
  });

  it('tells the stages of a handshake within one host exactly', async () => {
    const { client, server } = endsOf(trueHandshake());
    await arrive(web, client);
    await arrive(web, server);
    expect((await detail(await idOf(web, client))).stages).toEqual({
      synSentToSynRecv: { us: 25_000, uncertaintyUs: 0 },
      synRecvToEstablished: { us: 25_000, uncertaintyUs: 0 },
      derivedFrom: 'one clock: both ends were seen by one agent',
    });
  });

  it('says that no other end is known if only the server’s record came', async () => {
    const { server } = endsOf(trueHandshake());
    await arrive(db, server);
    const answer = await detail(await idOf(db, server));
    expect(answer).toMatchObject({ peer: null, breakdown: null, stages: null });
  });

  it('tells the other end of an old record, whose pair is kept with it', async () => {
    const { client, server } = endsOf(trueHandshake({ atUs: Date.now() * 1_000 - 2 * HOUR_US }));
    await arrive(web, client);
    await arrive(db, { ...server, remotePort: 61_000 });
    const id = await idOf(db, server);
    const { peer } = await eventually(
      () => detail(id),
      (answer) => answer.peer !== null,
    );
    expect(peer.match).toBe('probable');
  });

  it('is counted: pairs, and what waits to be looked at', async () => {
    await eventually(
      () => metric('synscope_handshake_join_backlog_records'),
      (records) => records === 0,
    );
    expect(await metric('synscope_handshake_join_lag_seconds')).toBe(0);
    expect(await metric('synscope_handshake_pairs_total\\{match="exact"\\}')).toBeGreaterThanOrEqual(1);
    await withoutJoiner(async () => {
      await arrive(web, endsOf(trueHandshake()).client);
      expect(await metric('synscope_handshake_join_backlog_records')).toBe(1);
    });
  });
});
