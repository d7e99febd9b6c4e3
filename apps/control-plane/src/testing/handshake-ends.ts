import { HandshakeRole } from '@synscope/protocol';
import { type HandshakeRecord, handshakeRecord } from './handshake-batch.js';
import { ipv4 } from './record-columns.js';

/** One handshake as it happened, by a clock that is right. */
export interface TrueHandshake {
  /** When the client sent its first SYN; microseconds since the Unix epoch. */
  readonly atUs: number;
  readonly roundTripUs: number;
  readonly lostSynWaitUs: number;
  readonly lostSynAckWaitUs: number;
  readonly lostAckWaitUs: number;
  readonly acceptWaitUs: number;
  readonly synRetransmits: number;
  readonly synAckRetransmits: number;
  readonly clientIsn: number;
  readonly serverIsn: number;
  readonly clientPort: number;
  /** TCP timestamps, without which nobody knows the round trip of what was sent again. */
  readonly timestamps: boolean;
}

export interface HandshakeEnds {
  readonly client: HandshakeRecord;
  readonly server: HandshakeRecord;
}

export const CLIENT_ADDRESS = ipv4('10.0.0.1');
export const SERVER_ADDRESS = ipv4('10.0.0.2');

let latestIsn = 1_000;

/** 50 ms of round trip, 100 µs until accept(), nothing lost, begun now, with numbers of its own; changed as asked. */
export function trueHandshake(changes: Partial<TrueHandshake> = {}): TrueHandshake {
  latestIsn += 2;
  return {
    atUs: Date.now() * 1_000 - 100_000,
    roundTripUs: 50_000,
    lostSynWaitUs: 0,
    lostSynAckWaitUs: 0,
    lostAckWaitUs: 0,
    acceptWaitUs: 100,
    synRetransmits: 0,
    synAckRetransmits: 0,
    clientIsn: (latestIsn * 1_000_003) % 2 ** 32,
    serverIsn: 2 ** 32 - latestIsn,
    clientPort: 40_000,
    timestamps: true,
    ...changes,
  };
}

/** What the kernels of both ends tell of it. */
export function endsOf(truth: TrueHandshake): HandshakeEnds {
  const { roundTripUs, lostSynWaitUs, lostSynAckWaitUs, lostAckWaitUs } = truth;
  const clientUs = lostSynWaitUs + lostSynAckWaitUs + roundTripUs;
  const serverUs = lostSynAckWaitUs + roundTripUs + lostAckWaitUs;
  const synArrivedUs = truth.atUs + lostSynWaitUs + Math.floor(roundTripUs / 2);
  const common = { clientIsn: truth.clientIsn, serverIsn: truth.serverIsn };
  return {
    client: handshakeRecord({
      ...common,
      role: HandshakeRole.CLIENT,
      observedAtUs: truth.atUs + clientUs,
      localAddress: CLIENT_ADDRESS,
      localPort: truth.clientPort,
      remoteAddress: SERVER_ADDRESS,
      remotePort: 443,
      latencyUs: clientUs,
      srttUs: kernelRtt(truth, truth.synRetransmits > 0, clientUs - lostSynWaitUs),
      synRetransmits: truth.synRetransmits,
      synAckRetransmits: null,
    }),
    server: handshakeRecord({
      ...common,
      role: HandshakeRole.SERVER,
      observedAtUs: synArrivedUs + serverUs,
      localAddress: SERVER_ADDRESS,
      localPort: 443,
      remoteAddress: CLIENT_ADDRESS,
      remotePort: truth.clientPort,
      latencyUs: serverUs,
      acceptWaitUs: truth.acceptWaitUs,
      srttUs: kernelRtt(truth, truth.synAckRetransmits > 0, serverUs - lostSynAckWaitUs),
      synRetransmits: null,
      synAckRetransmits: truth.synAckRetransmits,
    }),
  };
}

/** To the microsecond if nothing was sent again, else in whole milliseconds from timestamps. */
function kernelRtt({ timestamps }: TrueHandshake, again: boolean, microseconds: number): number | null {
  if (!again) return microseconds;
  return timestamps ? Math.max(1, Math.floor(microseconds / 1_000)) * 1_000 : null;
}
