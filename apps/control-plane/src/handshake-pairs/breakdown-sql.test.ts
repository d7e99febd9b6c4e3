import { createTestDatabase } from '@synscope/testing';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { createDatabasePool } from '../database/database-pool.js';
import type { HandshakeRecord } from '../testing/handshake-batch.js';
import { endsOf, type TrueHandshake, trueHandshake } from '../testing/handshake-ends.js';
import { BREAKDOWN_SQL } from './breakdown-sql.js';

const database = await createTestDatabase();
const pool = createDatabasePool({
  connectionString: database.url,
  maximumConnections: 2,
  statementTimeoutMs: 30_000,
  onConnectionLost: () => {},
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});

const SECOND_US = 1_000_000;

interface Parts {
  readonly network: number | null;
  readonly lostSyn: number | null;
  readonly lostSynAck: number | null;
  readonly serverQueue: number | null;
  readonly accept: number | null;
}

/** From the columns alone that a record has. */
async function partsOf(client: HandshakeRecord, server: HandshakeRecord): Promise<Parts> {
  const end = (record: HandshakeRecord) => [
    record.outcome,
    record.flags,
    record.latencyUs,
    record.srttUs,
    record.acceptWaitUs,
    record.synRetransmits,
    record.synAckRetransmits,
  ];
  const columns = (alias: string, first: number) =>
    `(SELECT $${first}::int AS outcome, $${first + 1}::int AS flags, $${first + 2}::bigint AS latency_us, $${first + 3}::int AS srtt_us,
             $${first + 4}::bigint AS accept_wait_us, $${first + 5}::int AS syn_retransmits, $${first + 6}::int AS syn_ack_retransmits) AS ${alias}`;
  const { rows } = await pool.query<Parts>(
    `SELECT part.network_round_trip_us AS network, part.lost_syn_wait_us AS "lostSyn", part.lost_syn_ack_wait_us AS "lostSynAck",
            part.server_queue_us AS "serverQueue", part.accept_wait_us AS accept
       FROM ${columns('c', 1)} CROSS JOIN ${columns('s', 8)} ${BREAKDOWN_SQL}`,
    [...end(client), ...end(server)],
  );
  if (!rows[0]) throw new Error('no row');
  return rows[0];
}

async function breakdownOf(
  changes: Partial<TrueHandshake>,
  ofClient: Partial<HandshakeRecord> = {},
  ofServer: Partial<HandshakeRecord> = {},
): Promise<Parts> {
  const { client, server } = endsOf(trueHandshake(changes));
  return partsOf({ ...client, ...ofClient }, { ...server, ...ofServer });
}

const synLost = { lostSynWaitUs: 1_023_456, synRetransmits: 1 };
const synAckLost = { lostSynAckWaitUs: 1_012_345, synRetransmits: 1, synAckRetransmits: 1 };
const ackLost = { lostAckWaitUs: 1_034_567, synAckRetransmits: 1 };
const nothing = { lostSyn: 0, lostSynAck: 0, serverQueue: 0, accept: 100 };
const unknown = { network: null, lostSyn: null, lostSynAck: null, serverQueue: null, accept: 100 };

describe('where the time of a handshake went', () => {
  it.each<[string, Partial<TrueHandshake>, Parts]>([
    ['on the network alone, if nothing was sent again', {}, { ...nothing, network: 50_000 }],
    [
      'before accept()',
      { acceptWaitUs: 3 * SECOND_US },
      { ...nothing, network: 50_000, accept: 3 * SECOND_US },
    ],
    ['until a lost SYN was sent again', synLost, { ...nothing, network: 50_000, lostSyn: 1_023_456 }],
    [
      'until a lost SYN-ACK was sent again, by timestamps',
      synAckLost,
      { ...nothing, network: 50_000, lostSynAck: 1_012_345 },
    ],
    [
      'until a lost ACK was made good, while the client went on',
      ackLost,
      { ...nothing, network: 50_000, serverQueue: 1_034_567 },
    ],
    [
      'until a lost SYN and a lost SYN-ACK were sent again',
      { ...synLost, ...synAckLost, synRetransmits: 2 },
      { ...nothing, network: 50_000, lostSyn: 1_023_456, lostSynAck: 1_012_345 },
    ],
    [
      'until a lost SYN was sent again, and then a lost ACK made good',
      { ...synLost, ...ackLost },
      { ...nothing, network: 50_000, lostSyn: 1_023_456, serverQueue: 1_034_567 },
    ],
    [
      'on a path so long that everything was sent again, though nothing was lost',
      { roundTripUs: 1_500_000, synRetransmits: 1, synAckRetransmits: 1 },
      { ...nothing, network: 1_500_000 },
    ],
    [
      'without timestamps: as far as nothing was sent again',
      { timestamps: false },
      { ...nothing, network: 50_000 },
    ],
    ['without timestamps: not known after a SYN was sent again', { ...synLost, timestamps: false }, unknown],
    [
      'without timestamps: a lost SYN-ACK is not told from a lost SYN',
      { ...synAckLost, timestamps: false },
      unknown,
    ],
    [
      'without timestamps: a lost ACK is told by the client, who had the answer before anything was sent again',
      { ...ackLost, timestamps: false },
      { ...nothing, network: 50_000, serverQueue: 1_034_567 },
    ],
  ])('is said: %s', async (_, changes, expected) => {
    expect(await breakdownOf(changes)).toEqual(expected);
  });

  it('is not said of the server if its SYN was answered by a cookie or came before the probe', async () => {
    const cookie = { latencyUs: null, srttUs: null, flags: 1 };
    expect(await breakdownOf({}, {}, cookie)).toEqual({ ...nothing, network: 50_000, serverQueue: null });
    expect(await breakdownOf(synLost, {}, cookie)).toEqual(unknown);
  });

  it('is not said if the kernel could not count what was sent again, but for what it cannot have been', async () => {
    expect(await breakdownOf({}, { synRetransmits: null })).toEqual(unknown);
    expect(await breakdownOf({}, {}, { synAckRetransmits: null })).toEqual({ ...nothing, network: 50_000 });
    expect(await breakdownOf({ roundTripUs: 1_500_000 }, {}, { synAckRetransmits: null })).toEqual({
      ...nothing,
      network: 1_500_000,
    });
  });

  it('is not said of a handshake that the server gave up', async () => {
    expect(
      await breakdownOf(
        {},
        {},
        { outcome: 3, latencyUs: null, srttUs: null, acceptWaitUs: null, synAckRetransmits: 5 },
      ),
    ).toEqual({ ...nothing, network: 50_000, serverQueue: null, accept: null });
  });

  it('is within a timestamp of the truth wherever it is said, whatever was lost', async () => {
    const wait = fc.oneof(fc.constant(0), fc.integer({ min: SECOND_US, max: 7 * SECOND_US }));
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          roundTripUs: fc.integer({ min: 50, max: 400_000 }),
          lostSynWaitUs: wait,
          lostSynAckWaitUs: wait,
          lostAckWaitUs: wait,
          timestamps: fc.boolean(),
        }),
        async (lost) => {
          const again = (...waits: number[]) => waits.filter((waited) => waited > 0).length;
          const parts = await breakdownOf({
            ...lost,
            synRetransmits: again(lost.lostSynWaitUs, lost.lostSynAckWaitUs),
            synAckRetransmits: again(lost.lostSynAckWaitUs, lost.lostAckWaitUs),
          });
          const near = (actual: number | null, truth: number) => {
            if (actual !== null) expect(Math.abs(actual - truth)).toBeLessThanOrEqual(2_000);
          };
          near(parts.network, lost.roundTripUs);
          near(parts.lostSyn, lost.lostSynWaitUs);
          near(parts.lostSynAck, lost.lostSynAckWaitUs);
          near(parts.serverQueue, lost.lostAckWaitUs);
          const { lostSynWaitUs, lostSynAckWaitUs, lostAckWaitUs } = lost;
          if (lost.timestamps && again(lostSynAckWaitUs, lostAckWaitUs) < 2)
            expect(Object.values(parts)).not.toContain(null);
          if (again(lostSynWaitUs, lostSynAckWaitUs, lostAckWaitUs) === 0)
            expect(parts.network).toBe(lost.roundTripUs);
        },
      ),
      { numRuns: 300 },
    );
  });
});
