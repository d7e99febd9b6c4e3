import type { RelayedPacket } from '../../lab/relay.js';
import type { Range } from '../comparer.js';
import type { TimeName } from './both-ends.js';

/**
 * Where the time of an established handshake went, by the relay's account of its packets and the server's of accept(). What the application saw
 * beyond the relay's account was spent before the relay took a packet or after it handed one over: any part may be longer by that.
 */
export type PartTruth = Readonly<Record<TimeName, Range>>;

function required<Item>(item: Item | undefined, what: string): Item {
  if (item === undefined) throw new Error(`no ${what} crossed the wire`);
  return item;
}

/** `clientLatency` and `acceptWait` as in Truth. */
export function partTruthOf(
  packets: readonly RelayedPacket[],
  clientLatency: Range,
  acceptWait: Range,
): PartTruth {
  const unseenUs = clientLatency.mostUs - clientLatency.leastUs;
  const atLeast = (us: number): Range => ({ leastUs: Math.max(us, 0), mostUs: Math.max(us + unseenUs, 0) });
  // What was waited for something that was lost, or not at all.
  const waited = (us: number): Range => (us > 0 ? atLeast(us) : { leastUs: 0, mostUs: 0 });
  const of = (kinds: readonly RelayedPacket['kind'][], from: RelayedPacket['from']) =>
    packets.filter((packet) => packet.from === from && kinds.includes(packet.kind));
  const delivered = (sent: readonly RelayedPacket[], what: string) => {
    const packet = required(
      sent.find(({ sentUs }) => sentUs !== undefined),
      what,
    );
    return { arrivedUs: packet.arrivedUs, sentUs: packet.sentUs ?? 0 };
  };
  const syns = of(['syn'], 'a');
  const synAcks = of(['synack'], 'b');
  const syn = delivered(syns, 'SYN');
  const synAck = delivered(synAcks, 'SYN-ACK');
  const ack = delivered(of(['ack', 'data', 'fin'], 'a'), 'ACK');
  const firstSynUs = required(syns[0], 'SYN').arrivedUs;
  const firstSynAckUs = required(synAcks[0], 'SYN-ACK').arrivedUs;
  const thereUs = syn.sentUs - syn.arrivedUs;
  const queueUs = ack.sentUs - synAck.sentUs - thereUs;
  return {
    networkRoundTrip: atLeast(thereUs + synAck.sentUs - synAck.arrivedUs),
    lostSynWait: waited(syn.arrivedUs - firstSynUs),
    lostSynAckWait: waited(synAck.arrivedUs - firstSynAckUs),
    // Beyond the way that an ACK takes, which is the client's to tell: what it saw later makes this shorter.
    serverQueue: { leastUs: Math.max(queueUs - unseenUs, 0), mostUs: Math.max(queueUs, 0) },
    acceptWait,
    synSentToSynRecv: atLeast(syn.sentUs - firstSynUs),
    synRecvToEstablished: atLeast(synAck.sentUs - syn.sentUs),
  };
}
