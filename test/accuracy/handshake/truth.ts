import type { Accept, Connect } from '../../lab/endpoint.js';
import type { RelayedPacket } from '../../lab/relay.js';
import type { Range } from '../comparer.js';
import type { AccuracyCase } from './cases.js';
import { type PartTruth, partTruthOf } from './part-truth.js';

/**
 * What happened to one connection, from the accounts of the relay and of the endpoints. A time that both know of is a range: the relay
 * takes the SYN after it has left and hands over the answer before it is handled, so what it tells is the least that the client stage
 * can be; the application's clock is read before the system call begins and after it has returned, which is the most.
 */
export interface Truth {
  readonly clientPort: number;
  readonly serverPort: number;
  readonly clientIsn: number;
  readonly serverIsn: number | null;
  /** SYN_SENT → the packet, or the system call, that ended the attempt. */
  readonly clientLatency: Range;
  readonly synRetransmits: number;
  /** The SYN reaches the server's stack → the first packet does that acknowledges its SYN-ACK, or resets; null if there was none. */
  readonly serverLatency: Range | null;
  /** ... → accept() returned. */
  readonly acceptWait: Range | null;
  readonly synAckRetransmits: number | null;
  /** Where the time went; null unless both sides were established. */
  readonly parts: PartTruth | null;
}

function group(packets: readonly RelayedPacket[]): readonly (readonly RelayedPacket[])[] {
  const clientPort = ({ from, source, destination }: RelayedPacket) =>
    from === 'a' ? source.port : destination.port;
  return [...Map.groupBy(packets, clientPort).values()];
}

/** When the attempt ended: not before the first, not after the second. */
function endOfAttempt(
  outcome: AccuracyCase['client'],
  packets: readonly RelayedPacket[],
  connect: Connect,
): readonly [number, number] {
  // The kernel's timer ends it, which nobody but the application sees.
  if (outcome === 'timed_out') return [connect.endedUs, connect.endedUs];
  if (outcome === 'aborted') return [connect.endedUs, connect.closedUs];
  const kind = outcome === 'refused' ? 'rst' : 'synack';
  const answer = packets.find((packet) => packet.kind === kind && packet.from === 'b' && packet.sentUs);
  if (answer?.sentUs === undefined) throw new Error(`no ${kind} crossed the wire`);
  return [answer.sentUs, connect.endedUs];
}

function truthOf(
  outcome: AccuracyCase['client'],
  packets: readonly RelayedPacket[],
  connect: Connect,
  accepts: readonly Accept[],
): Truth {
  const syns = packets.filter(({ kind }) => kind === 'syn');
  const [first] = syns;
  if (!first) throw new Error('no SYN crossed the wire');
  if (connect.error === '' && connect.local.port !== first.source.port)
    throw new Error('the endpoint and the relay tell of different connections');
  const delivered = syns.find(({ sentUs }) => sentUs !== undefined)?.sentUs;
  const synAcks = packets.filter(({ kind }) => kind === 'synack');
  const acknowledged = packets.find(
    ({ from, kind, sentUs }) => from === 'a' && sentUs && ['ack', 'data', 'fin', 'rst'].includes(kind),
  )?.sentUs;
  const accept = accepts.find(({ remote }) => remote.port === first.source.port);
  const answered = delivered !== undefined && acknowledged !== undefined;
  const [endedLeast, endedMost] = endOfAttempt(outcome, packets, connect);
  const sentInTime = synAcks.filter(({ arrivedUs }) => arrivedUs <= (acknowledged ?? Infinity)).length;
  const serverLatencyUs = answered ? acknowledged - delivered : undefined;
  const acceptWait =
    accept && acknowledged !== undefined
      ? { leastUs: accept.calledUs - acknowledged, mostUs: accept.acceptedUs - acknowledged }
      : null;
  const clientLatency = { leastUs: endedLeast - first.arrivedUs, mostUs: endedMost - connect.startedUs };
  return {
    clientPort: first.source.port,
    serverPort: first.destination.port,
    clientIsn: first.seq,
    serverIsn: synAcks[0]?.seq ?? null,
    clientLatency,
    synRetransmits: syns.length - 1,
    serverLatency:
      serverLatencyUs === undefined ? null : { leastUs: serverLatencyUs, mostUs: serverLatencyUs },
    acceptWait,
    synAckRetransmits: synAcks.length > 0 ? sentInTime - 1 : null,
    parts: outcome === 'established' && acceptWait ? partTruthOf(packets, clientLatency, acceptWait) : null,
  };
}

/**
 * The connections in the order of their starts. A failed connect() no longer knows its port, hence the order is what joins its account
 * to the relay's; the starts lie milliseconds apart.
 */
export function deriveTruths(
  outcome: AccuracyCase['client'],
  packets: readonly RelayedPacket[],
  connects: readonly Connect[],
  accepts: readonly Accept[],
): readonly Truth[] {
  const byStart = connects.toSorted((one, other) => one.startedUs - other.startedUs);
  const connections = group(packets).toSorted(
    (one, other) => (one[0]?.arrivedUs ?? 0) - (other[0]?.arrivedUs ?? 0),
  );
  if (connections.length !== byStart.length)
    throw new Error(`${byStart.length} connect() calls, but ${connections.length} connections on the wire`);
  return byStart.map((connect, index) => truthOf(outcome, connections[index] ?? [], connect, accepts));
}
