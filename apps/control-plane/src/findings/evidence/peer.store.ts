import { Injectable } from '@nestjs/common';
import { formatMicroseconds } from '@synscope/api-contract';
import { DatabasePool } from '../../database/database-pool.js';
import { observedAtOfRecordId } from '../../record-storage/record-id.js';
import type { Peer } from '../rules/situation.js';
import { HANDSHAKE_COLUMNS, type HandshakeRow, toHandshakeEnd } from './record-rows.js';
import type { HandshakeEnd } from './records.js';

/** Clocks of two hosts that lie further apart are not looked across. Microseconds. */
const CLOCKS_APART_US = 2 * 3_600_000_000;
/** Records of the other end that are read at a time: each takes a look of its own into the time index. */
const MOST_ENDS = 500;

interface PairRow {
  readonly own: string;
  readonly other: string;
  readonly agentId: string;
  readonly match: number;
  readonly lostSynWaitUs: number | null;
  readonly lostSynAckWaitUs: number | null;
}

/** The other ends of handshakes, as far as both were traced. */
@Injectable()
export class PeerStore {
  constructor(private readonly pool: DatabasePool) {}

  /** By the id of the handshake. With several others for one, which the same numbers seen twice can give, none is. */
  async peersOf(handshakes: readonly HandshakeEnd[]): Promise<ReadonlyMap<string, Peer>> {
    const clients = handshakes.filter(({ role }) => role === 'client').map(({ id }) => id);
    const servers = handshakes.filter(({ role }) => role === 'server').map(({ id }) => id);
    const pairs = [
      ...(clients.length > 0 ? await this.pairs('client', 'server', clients, 0) : []),
      ...(servers.length > 0 ? await this.pairs('server', 'client', servers, CLOCKS_APART_US) : []),
    ];
    const ofServers = pairs.filter(({ own }) => servers.includes(own));
    const ends = await this.ends(ofServers.map(({ other }) => other).slice(0, MOST_ENDS));
    const found = new Map<string, Peer>();
    const twice = new Set<string>();
    for (const { own, other, agentId, match, lostSynWaitUs, lostSynAckWaitUs } of pairs) {
      if (found.has(own)) twice.add(own);
      found.set(own, {
        end: ends.get(other) ?? null,
        agentId,
        match: match === 1 ? 'exact' : 'probable',
        lostSynWaitUs,
        lostSynAckWaitUs,
      });
    }
    for (const id of twice) found.delete(id);
    return found;
  }

  private async pairs(
    own: 'client' | 'server',
    other: 'client' | 'server',
    ids: readonly string[],
    apartUs: number,
  ): Promise<PairRow[]> {
    const times = ids.map((id) => observedAtOfRecordId(id) ?? 0);
    const time = (us: number) => formatMicroseconds(BigInt(Math.max(0, us)));
    const { rows } = await this.pool.query<PairRow>(
      `SELECT ${own}_handshake_id AS own, ${other}_handshake_id AS other, ${other}_agent_id AS "agentId", match,
              lost_syn_wait_us AS "lostSynWaitUs", lost_syn_ack_wait_us AS "lostSynAckWaitUs"
         FROM handshake_pair
        WHERE observed_at >= $1::timestamptz AND observed_at <= $2::timestamptz AND ${own}_handshake_id = ANY ($3::uuid[])`,
      [time(Math.min(...times) - apartUs), time(Math.max(...times) + apartUs), ids],
    );
    return rows;
  }

  /** With the time of their hosts: only lengths of time are taken from them. */
  private async ends(ids: readonly string[]): Promise<ReadonlyMap<string, HandshakeEnd>> {
    if (ids.length === 0) return new Map();
    const times = ids.map((id) => formatMicroseconds(BigInt(observedAtOfRecordId(id) ?? 0)));
    const { rows } = await this.pool.query<HandshakeRow>(
      `SELECT ${HANDSHAKE_COLUMNS} FROM unnest($1::timestamptz[], $2::uuid[]) AS wanted (wanted_at, wanted_id)
         JOIN handshake ON observed_at = wanted_at AND id = wanted_id`,
      [times, ids],
    );
    return new Map(rows.map((row) => [row.id, toHandshakeEnd(row, (_, observedUs) => observedUs)]));
  }
}
