import type { RelayedPacket } from '../../lab/relay.js';
import type { Range } from '../comparer.js';
import type { TimeName } from './both-ends.js';

/** Where the time of an established handshake went, by the relay's account of its packets and the server's of accept(). */
export type PartTruth = Readonly<Record<TimeName, Range>>;

const exactly = (us: number): Range => ({ leastUs: Math.max(us, 0), mostUs: Math.max(us, 0) });

function required<Item>(item: Item | undefined, what: string): Item {
  if (item === undefined) throw new Error(`no ${what} crossed the wire`);
  return item;
}

/** `acceptWait` as in Truth. */
export function partTruthOf(packets: readonly RelayedPacket[], acceptWait: Range): PartTruth {
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
  return {
    networkRoundTrip: exactly(thereUs + synAck.sentUs - synAck.arrivedUs),
    lostSynWait: exactly(syn.arrivedUs - firstSynUs),
    lostSynAckWait: exactly(synAck.arrivedUs - firstSynAckUs),
    // Beyond the way that an ACK takes.
    serverQueue: exactly(ack.sentUs - synAck.sentUs - thereUs),
    acceptWait,
    synSentToSynRecv: exactly(syn.sentUs - firstSynUs),
    synRecvToEstablished: exactly(synAck.sentUs - syn.sentUs),
  };
}
