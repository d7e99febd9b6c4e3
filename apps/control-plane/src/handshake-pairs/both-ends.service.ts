import { Injectable } from '@nestjs/common';
import { type Handshake, type HandshakeDetail, resolveTime } from '@synscope/api-contract';
import { DatabasePool } from '../database/database-pool.js';
import { observedAtOfRecordId } from '../record-storage/record-id.js';
import { type BothEndsRow, BothEndsStore, type RecordPair } from './both-ends.store.js';
import { toBreakdown } from './breakdown.js';
import { CLOCK_ERROR_US, HandshakePairStore } from './handshake-pair.store.js';
import { choosePairs } from './pair-choice.js';
import { type ClockOffset, stagesOf } from './stages.js';

export type BothEnds = Pick<HandshakeDetail, 'peer' | 'breakdown' | 'stages'>;

/** So young may a record be that it is looked at before the joiner has come to it. Microseconds. */
const YOUNG_US = 120_000_000;
const NOT_KNOWN: BothEnds = { peer: null, breakdown: null, stages: null };

/** What is known of a handshake from the records of both its ends. */
@Injectable()
export class BothEndsService {
  constructor(
    private readonly pool: DatabasePool,
    private readonly store: BothEndsStore,
    private readonly pairs: HandshakePairStore,
  ) {}

  async of(handshake: Handshake): Promise<BothEnds> {
    const { id, role, observedAt } = handshake;
    const observedUs = Number(resolveTime(observedAt, 0) ?? 0n);
    const pair =
      (await this.store.pairOf(id, observedUs, role)) ?? (await this.searched(handshake, observedUs));
    if (!pair) return NOT_KNOWN;
    const row = await this.store.read(
      pair,
      observedAtOfRecordId(pair.clientId) ?? 0,
      observedAtOfRecordId(pair.serverId) ?? 0,
    );
    if (!row) return NOT_KNOWN;
    const isClient = role === 'client';
    return {
      peer: {
        handshakeId: isClient ? pair.serverId : pair.clientId,
        agentId: isClient ? row.serverAgentId : row.clientAgentId,
        hostname: isClient ? row.serverHostname : row.clientHostname,
        match: pair.exact ? 'exact' : 'probable',
      },
      breakdown: toBreakdown(row),
      stages: toStages(row),
    };
  }

  /** The same choice as the joiner's, for one record, among what was observed at that time by clocks that agree. */
  private async searched(handshake: Handshake, observedUs: number): Promise<RecordPair | null> {
    const { id, clientIsn, serverIsn, latencyUs } = handshake;
    if (clientIsn === null || serverIsn === null) return null;
    if (Math.abs(Date.now() * 1_000 - observedUs) > YOUNG_US) return null;
    const span = {
      sinceUs: observedUs - CLOCK_ERROR_US - (latencyUs ?? 0),
      untilUs: observedUs + CLOCK_ERROR_US,
    };
    const candidates = await this.pairs.candidatesFor(this.pool, id, observedUs, {
      spans: [span],
      ofAgents: null,
      sought: 'any',
    });
    return choosePairs(candidates).find((pair) => pair.clientId === id || pair.serverId === id) ?? null;
  }
}

function toStages(row: BothEndsRow) {
  const { clientEstablishedUs, clientLatencyUs, serverEstablishedUs, serverLatencyUs } = row;
  return stagesOf({
    synSentUs: clientLatencyUs === null ? null : clientEstablishedUs - clientLatencyUs,
    clientEstablishedUs,
    synRecvUs: serverLatencyUs === null ? null : serverEstablishedUs - serverLatencyUs,
    oneClock: row.clientAgentId === row.serverAgentId,
    clientClock: clockOf(row.clientOffsetUs, row.clientUncertaintyUs),
    serverClock: clockOf(row.serverOffsetUs, row.serverUncertaintyUs),
    ageUs: Date.now() * 1_000 - clientEstablishedUs,
  });
}

function clockOf(offsetUs: number | null, uncertaintyUs: number | null): ClockOffset | null {
  return offsetUs === null || uncertaintyUs === null ? null : { offsetUs, uncertaintyUs };
}
