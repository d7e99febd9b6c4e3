import type { HandshakeBreakdown } from '@synscope/api-contract';
import { SynAckWait, SynWait } from './breakdown-sql.js';

/** What BREAKDOWN_SQL tells of one pair. */
export interface BreakdownRow {
  readonly synBasis: number;
  readonly synAckBasis: number;
  readonly networkRoundTripUs: number | null;
  readonly lostSynWaitUs: number | null;
  readonly lostSynAckWaitUs: number | null;
  readonly serverQueueUs: number | null;
  readonly acceptWaitUs: number | null;
}

const LOST_SYN_WAIT: Readonly<Record<number, string>> = {
  [SynWait.unknown]:
    'not known: SYNs were sent again or could not be counted, and without TCP timestamps on both sides nothing tells which one was answered',
  [SynWait.sentOnce]: 'the client sent one SYN',
  [SynWait.needless]:
    'the client sent its SYN again while the answer to the first one was under way: its latencyUs is no longer than its srttUs, counted from the SYN that was answered',
  [SynWait.stages]: 'latencyUs of the client less latencyUs of the server',
  [SynWait.timestamps]:
    'latencyUs of the client less its srttUs, which TCP timestamps count from the SYN that was answered, in whole milliseconds',
};

const LOST_SYN_ACK_WAIT: Readonly<Record<number, string>> = {
  [SynAckWait.unknown]:
    'not known: SYN-ACKs were sent again or could not be counted, and nothing tells which one the client had',
  [SynAckWait.sentOnce]: 'the server sent one SYN-ACK',
  [SynAckWait.tooSoon]:
    'the client had the SYN-ACK before the server sends it again, which it does after a second',
  [SynAckWait.needless]:
    'the server sent its SYN-ACK again while the answer to the first one was under way: its srttUs is no shorter than the client’s wait',
  [SynAckWait.timestamps]:
    'latencyUs of the client less lostSynWait and srttUs of the server, which TCP timestamps count from the SYN-ACK that was acknowledged, in whole milliseconds',
};

/** The parts with what they were derived from. */
export function toBreakdown(row: BreakdownRow): HandshakeBreakdown {
  return {
    networkRoundTrip: { us: row.networkRoundTripUs, derivedFrom: networkRoundTripFrom(row) },
    lostSynWait: { us: row.lostSynWaitUs, derivedFrom: LOST_SYN_WAIT[row.synBasis] ?? '' },
    lostSynAckWait: {
      us: row.lostSynAckWaitUs,
      derivedFrom:
        row.lostSynWaitUs === null
          ? 'not known, because lostSynWait is not'
          : (LOST_SYN_ACK_WAIT[row.synAckBasis] ?? ''),
    },
    serverQueue: {
      us: row.serverQueueUs,
      derivedFrom:
        row.serverQueueUs === null
          ? 'not known: latencyUs of the server (as with SYN cookies) or lostSynWait is not'
          : 'latencyUs of the server less what the client waited for the answer to the SYN that got through',
    },
    acceptWait: {
      us: row.acceptWaitUs,
      derivedFrom:
        row.acceptWaitUs === null
          ? 'not known: no accept() returned this connection, or not by a system call'
          : 'acceptWaitUs of the server',
    },
  };
}

function networkRoundTripFrom({ networkRoundTripUs, synAckBasis, lostSynWaitUs }: BreakdownRow): string {
  if (networkRoundTripUs === null) return 'not known, because the waits for what was lost are not';
  if (synAckBasis === SynAckWait.timestamps)
    return 'srttUs of the server, which TCP timestamps count from the SYN-ACK that was acknowledged, in whole milliseconds';
  return lostSynWaitUs === 0 ? 'latencyUs of the client' : 'latencyUs of the client less lostSynWait';
}
