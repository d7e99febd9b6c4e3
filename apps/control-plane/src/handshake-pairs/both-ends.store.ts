import { Injectable } from '@nestjs/common';
import { formatMicroseconds, type HandshakeRoleName } from '@synscope/api-contract';
import { DatabasePool } from '../database/database-pool.js';
import type { BreakdownRow } from './breakdown.js';
import { BREAKDOWN_SQL } from './breakdown-sql.js';
import { PairMatch } from './handshake-pair.store.js';

/** Two records of one handshake. */
export interface RecordPair {
  readonly clientId: string;
  readonly serverId: string;
  readonly exact: boolean;
}

export interface BothEndsRow extends BreakdownRow {
  readonly clientAgentId: string;
  readonly clientHostname: string | null;
  readonly serverAgentId: string;
  readonly serverHostname: string | null;
  readonly clientEstablishedUs: number;
  readonly clientLatencyUs: number | null;
  readonly serverEstablishedUs: number;
  readonly serverLatencyUs: number | null;
  readonly clientOffsetUs: number | null;
  readonly clientUncertaintyUs: number | null;
  readonly serverOffsetUs: number | null;
  readonly serverUncertaintyUs: number | null;
}

const us = (sql: string) => `(extract(epoch FROM ${sql}) * 1000000)::bigint`;

/** Reads one pair. */
@Injectable()
export class BothEndsStore {
  constructor(private readonly pool: DatabasePool) {}

  /** The pair that a record is in; null if it is in none. */
  async pairOf(id: string, observedUs: number, role: HandshakeRoleName): Promise<RecordPair | null> {
    const ofClient = 'observed_at = $2::timestamptz AND client_handshake_id = $1';
    // A server's clock does not tell where the pair is: the index of every partition is looked at.
    const ofServer = 'server_handshake_id = $1';
    const { rows } = await this.pool.query<RecordPair>(
      `SELECT client_handshake_id AS "clientId", server_handshake_id AS "serverId", match = ${PairMatch.exact} AS exact
         FROM handshake_pair WHERE ${role === 'client' ? ofClient : ofServer} LIMIT 1`,
      role === 'client' ? [id, time(observedUs)] : [id],
    );
    return rows[0] ?? null;
  }

  /** What the two records tell together; null if one is not there any more. */
  async read(
    { clientId, serverId }: RecordPair,
    clientUs: number,
    serverUs: number,
  ): Promise<BothEndsRow | null> {
    const { rows } = await this.pool.query<BothEndsRow>(
      `SELECT syn_basis AS "synBasis", syn_ack_basis AS "synAckBasis", part.network_round_trip_us AS "networkRoundTripUs",
              part.lost_syn_wait_us AS "lostSynWaitUs", part.lost_syn_ack_wait_us AS "lostSynAckWaitUs",
              part.server_queue_us AS "serverQueueUs", part.accept_wait_us AS "acceptWaitUs",
              c.agent_id AS "clientAgentId", ca.hostname AS "clientHostname", s.agent_id AS "serverAgentId", sa.hostname AS "serverHostname",
              ${us('c.observed_at')} AS "clientEstablishedUs", stage.client_us AS "clientLatencyUs",
              ${us('s.observed_at')} AS "serverEstablishedUs", stage.server_us AS "serverLatencyUs",
              ca.clock_offset_us AS "clientOffsetUs", ca.clock_offset_uncertainty_us AS "clientUncertaintyUs",
              sa.clock_offset_us AS "serverOffsetUs", sa.clock_offset_uncertainty_us AS "serverUncertaintyUs"
         FROM (SELECT * FROM handshake WHERE observed_at = $2::timestamptz AND id = $1) AS c
        CROSS JOIN (SELECT * FROM handshake WHERE observed_at = $4::timestamptz AND id = $3) AS s
         LEFT JOIN agent ca ON ca.id = c.agent_id LEFT JOIN agent sa ON sa.id = s.agent_id ${BREAKDOWN_SQL}`,
      [clientId, time(clientUs), serverId, time(serverUs)],
    );
    return rows[0] ?? null;
  }
}

function time(microseconds: number): string {
  return formatMicroseconds(BigInt(microseconds));
}
