import { createTestDatabase } from '@synscope/testing';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Configuration } from '../config/configuration.js';
import { createDatabasePool } from '../database/database-pool.js';
import { MetricsRegistry } from '../metrics/metrics-registry.js';
import { PartitionService } from '../record-storage/partition.service.js';
import { PartitionStore } from '../record-storage/partition.store.js';
import { batchBytes, type HandshakeRecord } from '../testing/handshake-batch.js';
import { endsOf, type HandshakeEnds, trueHandshake } from '../testing/handshake-ends.js';
import { ipv4 } from '../testing/record-columns.js';
import { startTestIngest, type TestIngest } from '../testing/test-ingest.js';
import { HandshakeJoin } from './handshake-join.js';
import { HandshakeJoinMetrics } from './handshake-join.metrics.js';
import { HandshakePairStore } from './handshake-pair.store.js';
import { JoinProgressStore } from './join-progress.store.js';

const poolOf = (connectionString: string) =>
  createDatabasePool({
    connectionString,
    maximumConnections: 8,
    statementTimeoutMs: 30_000,
    onConnectionLost: () => {},
  });
const database = await createTestDatabase();
const pool = poolOf(database.url);
afterAll(async () => {
  await pool.end();
  await database.drop();
});

const SECOND_US = 1_000_000;
const HOUR_US = 3_600 * SECOND_US;
/** Of `flags` of HandshakeColumns. */
const NOT_YET_ACCEPTED = 8;
const bootId = '0198c0de-0000-7000-8000-0000000000bb';
let agents = 0;
let seq = 0;
let ingest: TestIngest['ingest'];

beforeEach(() => {
  ({ ingest } = startTestIngest(database.url, pool));
});
afterEach(async () => {
  await ingest.beforeApplicationShutdown();
  await pool.query('TRUNCATE handshake, handshake_pair, ingest_batch');
});

const newAgent = () => `0198c0de-0000-7000-8000-${(++agents).toString(16).padStart(12, '0')}`;

async function arrive(agentId: string, ...records: HandshakeRecord[]): Promise<void> {
  await ingest.submit({ agentId, bootId, bytes: batchBytes(++seq, records) });
}

/** As if everything so far had been received earlier. */
async function letTimePass(microseconds: number): Promise<void> {
  await pool.query("UPDATE ingest_batch SET received_at = received_at - $1 * interval '1 microsecond'", [
    microseconds,
  ]);
}

function replica(url = database.url, own = pool): HandshakeJoin {
  const progress = new JoinProgressStore(own);
  const registry = new MetricsRegistry();
  const configuration = Configuration.fromEnvironment({ DATABASE_URL: url });
  const partitions = new PartitionService(new PartitionStore(own), configuration, registry);
  const metrics = new HandshakeJoinMetrics(registry, progress);
  return new HandshakeJoin(own, progress, new HandshakePairStore(), partitions, metrics);
}

async function joinAll(join = replica()): Promise<void> {
  for (const pass of ['observed', 'arrived'] as const) {
    while (await join.next(pass));
  }
}

interface PairRow {
  client: string;
  server: string;
  match: number;
}

/** As `agent of the client, agent of the server, port of the client as its record has it`. */
async function pairs(): Promise<(PairRow & { port: number; serverPort: number })[]> {
  const { rows } = await pool.query(
    `SELECT client_agent_id AS client, server_agent_id AS server, match, c.local_port AS port, s.remote_port AS "serverPort"
       FROM handshake_pair p JOIN handshake c ON c.id = p.client_handshake_id AND c.observed_at = p.observed_at
       JOIN handshake s ON s.id = p.server_handshake_id ORDER BY c.observed_at, c.id`,
  );
  return rows;
}

const shifted = (record: HandshakeRecord, byUs: number): HandshakeRecord => ({
  ...record,
  observedAtUs: record.observedAtUs + byUs,
});

describe('both ends of a handshake', () => {
  it('are joined exactly by their sequence numbers if addresses and ports agree, with where the time went', async () => {
    const [web, db] = [newAgent(), newAgent()];
    const { client, server } = endsOf(trueHandshake({ acceptWaitUs: 7_000 }));
    await arrive(web, client);
    await arrive(db, server);
    await joinAll();
    const { rows } = await pool.query(
      `SELECT to_jsonb(p) - 'client_handshake_id' - 'server_handshake_id' - 'observed_at' AS pair FROM handshake_pair p`,
    );
    expect(rows).toEqual([
      {
        pair: {
          client_agent_id: web,
          server_agent_id: db,
          match: 1,
          network_round_trip_us: 50_000,
          lost_syn_wait_us: 0,
          lost_syn_ack_wait_us: 0,
          server_queue_us: 0,
          accept_wait_us: 7_000,
        },
      },
    ]);
  });

  it('are joined whichever arrives first, and by looks that lie in between', async () => {
    const [web, db] = [newAgent(), newAgent()];
    const [one, other] = [endsOf(trueHandshake({ clientPort: 1 })), endsOf(trueHandshake({ clientPort: 2 }))];
    await arrive(web, one.client);
    await arrive(db, other.server);
    await joinAll();
    expect(await pairs()).toEqual([]);
    await arrive(db, one.server);
    await joinAll();
    await arrive(web, other.client);
    await joinAll();
    expect((await pairs()).map(({ port }) => port).sort()).toEqual([1, 2]);
  });

  it('are joined as probable through NAT, where an address or a port differs', async () => {
    const [web, db] = [newAgent(), newAgent()];
    const port = endsOf(trueHandshake({ clientPort: 1 }));
    const address = endsOf(trueHandshake({ clientPort: 2 }));
    await arrive(web, port.client, address.client);
    await arrive(
      db,
      { ...port.server, remotePort: 61_000 },
      { ...address.server, localAddress: ipv4('10.9.9.9') },
    );
    await joinAll();
    expect((await pairs()).map(({ match }) => match)).toEqual([2, 2]);
  });

  it('are not joined through NAT if the client was established at a time when the server had not begun', async () => {
    const [web, db] = [newAgent(), newAgent()];
    const { client, server } = endsOf(trueHandshake({ atUs: Date.now() * 1_000 - 60 * SECOND_US }));
    await arrive(web, client);
    await arrive(db, shifted({ ...server, remotePort: 61_000 }, 20 * SECOND_US));
    // What lies in between makes one span of it all.
    for (let second = 0; second < 20; second += 5)
      await arrive(web, shifted(endsOf(trueHandshake()).client, -(60 - second) * SECOND_US));
    await letTimePass(50 * SECOND_US);
    while (await replica().next('observed'));
    expect(await pairs()).toEqual([]);
  });

  it('are not claimed through NAT if several records could be the other end', async () => {
    const [web, proxy, db] = [newAgent(), newAgent(), newAgent()];
    const { client, server } = endsOf(trueHandshake());
    await arrive(web, client);
    await arrive(proxy, { ...client, localAddress: ipv4('10.7.7.7') });
    await arrive(db, { ...server, remoteAddress: ipv4('10.8.8.8') });
    await joinAll();
    expect(await pairs()).toEqual([]);
  });

  it('are joined exactly in spite of another record with the same numbers', async () => {
    const [web, proxy, db] = [newAgent(), newAgent(), newAgent()];
    const { client, server } = endsOf(trueHandshake());
    await arrive(web, client);
    await arrive(proxy, { ...client, localAddress: ipv4('10.7.7.7') });
    await arrive(db, server);
    await joinAll();
    expect(await pairs()).toMatchObject([{ client: web, server: db, match: 1 }]);
  });

  it('are not joined if a record lacks one of the numbers, or both are clients', async () => {
    const [web, db] = [newAgent(), newAgent()];
    const { client, server } = endsOf(trueHandshake());
    await arrive(web, client, { ...client, clientIsn: null });
    await arrive(db, { ...server, serverIsn: null }, { ...server, role: client.role });
    await joinAll();
    expect(await pairs()).toEqual([]);
  });

  it('are in one pair if two agents report one of them, and no record is in two', async () => {
    const [web, sidecar, db] = [newAgent(), newAgent(), newAgent()];
    const { client, server } = endsOf(trueHandshake());
    await arrive(web, client);
    await arrive(db, server);
    await joinAll();
    await arrive(sidecar, shifted(client, 3));
    await joinAll();
    expect(await pairs()).toMatchObject([{ client: web, server: db }]);
  });

  it('on one host are joined as its agent saw them, also if another agent sees the same', async () => {
    const [one, other] = [newAgent(), newAgent()];
    const { client, server } = endsOf(trueHandshake());
    await arrive(one, client, server);
    await arrive(other, shifted(client, 1), shifted(server, -2));
    await joinAll();
    expect(await pairs()).toMatchObject([
      { client: one, server: one },
      { client: other, server: other },
    ]);
  });

  it('are told apart when the same numbers come again between the same ports', async () => {
    const [web, db] = [newAgent(), newAgent()];
    const now = Date.now() * 1_000 - SECOND_US;
    const truth = trueHandshake({ atUs: now - 50 * SECOND_US, acceptWaitUs: 50 * SECOND_US });
    const again = { ...truth, atUs: now, acceptWaitUs: 100 };
    const all: HandshakeEnds[] = [endsOf(truth), endsOf(again)];
    await arrive(web, ...all.map(({ client }) => client));
    await arrive(db, ...all.map(({ server }) => shifted(server, 150)));
    await joinAll();
    const { rows } = await pool.query(
      `SELECT extract(epoch FROM s.observed_at - p.observed_at)::float8 AS apart FROM handshake_pair p JOIN handshake s ON s.id = server_handshake_id`,
    );
    expect(rows).toEqual([{ apart: 0.02515 }, { apart: 0.02515 }]);
  });

  it.each([-HOUR_US, HOUR_US])(
    'are joined by their arrival if the clocks are an hour apart (%i)',
    async (apart) => {
      const [web, db] = [newAgent(), newAgent()];
      const { client, server } = endsOf(trueHandshake());
      await arrive(web, shifted(client, apart));
      const join = replica();
      while (await join.next('observed'));
      await arrive(db, server);
      await joinAll(join);
      expect(await pairs()).toMatchObject([{ client: web, server: db, match: 1 }]);
      await joinAll(join);
      expect(await pairs()).toHaveLength(1);
    },
  );

  it('are joined by their arrival if it is the one that came first whose clock is right', async () => {
    const [web, db] = [newAgent(), newAgent()];
    const { client, server } = endsOf(trueHandshake());
    await arrive(web, client);
    await joinAll();
    await letTimePass(60 * SECOND_US);
    await arrive(db, shifted(server, -HOUR_US));
    await joinAll();
    expect(await pairs()).toMatchObject([{ client: web, server: db, match: 1 }]);
  });

  it('are joined when one agent was away for an hour', async () => {
    const [web, db] = [newAgent(), newAgent()];
    const anHourAgo = Array.from({ length: 60 }, (_, minute) =>
      endsOf(
        trueHandshake({
          atUs: Date.now() * 1_000 - HOUR_US + minute * 60 * SECOND_US,
          clientPort: 1_000 + minute,
        }),
      ),
    );
    for (const { server } of anHourAgo) await arrive(db, server);
    await joinAll();
    await letTimePass(HOUR_US);
    for (const { client } of anHourAgo) await arrive(web, client);
    await joinAll();
    const found = await pairs();
    expect(found).toHaveLength(60);
    expect(found.every(({ port, serverPort }) => port === serverPort)).toBe(true);
  });

  it('are joined when the ACK was lost again and again, and the server is established half a minute later', async () => {
    const [web, db] = [newAgent(), newAgent()];
    const { client, server } = endsOf(
      trueHandshake({
        atUs: Date.now() * 1_000 - 31 * SECOND_US,
        lostAckWaitUs: 31 * SECOND_US,
        synAckRetransmits: 5,
      }),
    );
    await arrive(web, client);
    await joinAll();
    await arrive(db, server);
    await joinAll();
    expect(await pairs()).toHaveLength(1);
  });

  it('are joined when the server accepted a minute later, and its record came among new ones', async () => {
    const [web, db] = [newAgent(), newAgent()];
    const { client, server } = endsOf(trueHandshake({ atUs: Date.now() * 1_000 - 60 * SECOND_US }));
    await arrive(web, client);
    await joinAll();
    await letTimePass(60 * SECOND_US);
    const recent = endsOf(trueHandshake());
    await arrive(db, { ...server, acceptWaitUs: 59 * SECOND_US }, recent.server);
    await joinAll();
    expect(await pairs()).toHaveLength(1);
  });

  it('are joined when nobody had accepted for a minute', async () => {
    const [web, db] = [newAgent(), newAgent()];
    const { client, server } = endsOf(trueHandshake({ atUs: Date.now() * 1_000 - 60 * SECOND_US }));
    await arrive(web, client);
    await joinAll();
    await letTimePass(60 * SECOND_US);
    await arrive(
      db,
      { ...server, acceptWaitUs: null, flags: NOT_YET_ACCEPTED },
      endsOf(trueHandshake()).server,
    );
    await joinAll();
    expect(await pairs()).toHaveLength(1);
  });

  it('are joined across the border of two partitions', async () => {
    const [web, db] = [newAgent(), newAgent()];
    const hour = Math.floor((Date.now() * 1_000) / HOUR_US) * HOUR_US;
    const { client, server } = endsOf(trueHandshake({ atUs: hour - 60_000 }));
    expect(client.observedAtUs).toBeLessThan(hour);
    expect(server.observedAtUs).toBeGreaterThanOrEqual(hour);
    await arrive(web, client);
    await arrive(db, server);
    await joinAll();
    expect(await pairs()).toHaveLength(1);
  });

  it('are found once by replicas that look at the same time', async () => {
    const [web, db] = [newAgent(), newAgent()];
    const handshakes = Array.from({ length: 400 }, (_, index) =>
      endsOf(trueHandshake({ clientPort: 1_000 + index })),
    );
    await Promise.all([
      ...handshakes.map(({ client }) => arrive(web, client)),
      ...handshakes.map(({ server }) => arrive(db, server)),
    ]);
    const runs = await Promise.all([replica(), replica(), replica()].map((join) => join.next('observed')));
    await joinAll();
    expect(runs.filter((run) => run !== null).length).toBeGreaterThan(0);
    expect(runs.reduce((sum, run) => sum + (run?.records ?? 0), 0)).toBe(800);
    expect(new Set((await pairs()).map(({ port }) => port)).size).toBe(400);
  });

  it('are found by the next look if a replica dies within one', async () => {
    const [web, db] = [newAgent(), newAgent()];
    const { client, server } = endsOf(trueHandshake());
    await arrive(web, client);
    await arrive(db, server);
    class DyingProgressStore extends JoinProgressStore {
      override async advance(): Promise<void> {
        throw new Error('the replica died');
      }
    }
    const dying = replica();
    Reflect.set(dying, 'progress', new DyingProgressStore(pool));
    await expect(dying.next('observed')).rejects.toThrow('the replica died');
    expect(await pairs()).toEqual([]);
    await joinAll();
    expect(await pairs()).toHaveLength(1);
  });

  it('cost no more if somebody sends thousands of records with the same numbers, of which none is claimed', async () => {
    const [web, db, attacker] = [newAgent(), newAgent(), newAgent()];
    const { client, server } = endsOf(trueHandshake());
    const forged = endsOf(trueHandshake());
    for (let batch = 0; batch < 10; batch++) {
      await arrive(attacker, ...Array.from({ length: 2_000 }, () => forged.client));
      await arrive(attacker, ...Array.from({ length: 2_000 }, () => forged.server));
    }
    await arrive(web, client);
    await arrive(db, server);
    await joinAll();
    expect(await pairs()).toMatchObject([{ client: web, server: db }]);
  });

  it('are looked for from the beginning if the database is another than before', async () => {
    const [web, db] = [newAgent(), newAgent()];
    const { client, server } = endsOf(trueHandshake());
    await arrive(web, client);
    await arrive(db, server);
    await pool.query("UPDATE handshake_join_progress SET seen = '900000000000:900000000000:'");
    await joinAll();
    expect(await pairs()).toHaveLength(1);
  });

  it('are looked for by time, without reading the whole hour that nothing is known of yet', async () => {
    const own = await createTestDatabase();
    try {
      const looking = poolOf(own.url);
      const { ingest: into } = startTestIngest(own.url, looking);
      const arriveAt = (...records: HandshakeRecord[]) =>
        into.submit({ agentId: newAgent(), bootId, bytes: batchBytes(1, records) });
      const pair = () => endsOf(trueHandshake());
      await arriveAt(...Array.from({ length: 4_000 }, () => pair().client));
      const { client, server } = pair();
      await arriveAt(client);
      await arriveAt(server);
      await joinAll(replica(own.url, looking));
      await into.beforeApplicationShutdown();
      // What its connections read is counted when they end.
      await looking.end();
      const asking = poolOf(own.url);
      const rowsRead = async () =>
        (
          await asking.query<{ whole: number; byIndex: number }>(
            `SELECT sum(seq_tup_read)::int AS whole, sum(idx_tup_fetch)::int AS "byIndex" FROM pg_stat_user_tables WHERE relname LIKE 'handshake_2%'`,
          )
        ).rows[0];
      await expect.poll(rowsRead).toMatchObject({ byIndex: expect.toSatisfy((count) => count > 0) });
      expect(await rowsRead()).toMatchObject({ whole: 0 });
      await asking.end();
    } finally {
      await own.drop();
    }
  });
});
