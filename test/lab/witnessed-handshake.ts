import type { SocketAddress } from './relay.ts';

// Flags of the TCP header, RFC 9293 §3.1.
const SYN = 0x02;
const ACK = 0x10;

/** One handshake as tshark reads it from a capture on one side's device. */
export interface WitnessedHandshake {
  readonly client: SocketAddress;
  readonly server: SocketAddress;
  /** SYNs and SYN-ACKs that crossed the device. */
  readonly syns: number;
  readonly synAcks: number;
  /** Those of them that tshark calls retransmissions. */
  readonly synRetransmissions: number;
  readonly synAckRetransmissions: number;
  /** Microseconds from the first SYN to the first SYN-ACK and to the first packet from the client that acknowledges it. */
  readonly firstSynToSynAckUs: number | null;
  readonly firstSynToAckUs: number | null;
  /** tcp.analysis.initial_rtt in microseconds: from the latest SYN before the SYN-ACK to the ACK. */
  readonly initialRttUs: number | null;
}

export const handshakeFields = [
  'frame.time_epoch',
  'tcp.stream',
  'ip.src',
  'ipv6.src',
  'tcp.srcport',
  'ip.dst',
  'ipv6.dst',
  'tcp.dstport',
  'tcp.flags',
  'tcp.analysis.retransmission',
  'tcp.analysis.initial_rtt',
] as const;

interface WitnessedPacket {
  readonly timeUs: number;
  readonly source: SocketAddress;
  readonly destination: SocketAddress;
  readonly flags: number;
  readonly retransmission: boolean;
  readonly initialRttUs: number | null;
}

function parsePacket(row: readonly string[]): readonly [stream: string, packet: WitnessedPacket] {
  const [time, stream, ipv4Source, ipv6Source, sourcePort, ipv4Destination, ipv6Destination, ...rest] = row;
  const [destinationPort, flags, retransmission, initialRtt] = rest;
  return [
    stream ?? '',
    {
      timeUs: Number(time) * 1e6,
      source: { address: ipv4Source || ipv6Source || '', port: Number(sourcePort) },
      destination: { address: ipv4Destination || ipv6Destination || '', port: Number(destinationPort) },
      flags: Number(flags),
      retransmission: Boolean(retransmission),
      initialRttUs: initialRtt ? Number(initialRtt) * 1e6 : null,
    },
  ];
}

function summarise(packets: readonly WitnessedPacket[]): WitnessedHandshake | undefined {
  const syns = packets.filter(({ flags }) => (flags & (SYN | ACK)) === SYN);
  const synAcks = packets.filter(({ flags }) => (flags & (SYN | ACK)) === (SYN | ACK));
  const [first] = syns;
  if (!first) return undefined;
  const answer = synAcks[0];
  const ack = packets.find(
    ({ flags, source, timeUs }) =>
      answer && (flags & (SYN | ACK)) === ACK && source.port === first.source.port && timeUs >= answer.timeUs,
  );
  return {
    client: first.source,
    server: first.destination,
    syns: syns.length,
    synAcks: synAcks.length,
    synRetransmissions: syns.filter(({ retransmission }) => retransmission).length,
    synAckRetransmissions: synAcks.filter(({ retransmission }) => retransmission).length,
    firstSynToSynAckUs: answer ? answer.timeUs - first.timeUs : null,
    firstSynToAckUs: ack ? ack.timeUs - first.timeUs : null,
    initialRttUs: packets.find(({ initialRttUs }) => initialRttUs !== null)?.initialRttUs ?? null,
  };
}

/** Of the rows that tshark prints of `handshakeFields`. */
export function witnessedHandshakes(rows: readonly (readonly string[])[]): readonly WitnessedHandshake[] {
  const streams = Map.groupBy(rows.map(parsePacket), ([stream]) => stream);
  return [...streams.values()].flatMap((packets) => summarise(packets.map(([, packet]) => packet)) ?? []);
}
