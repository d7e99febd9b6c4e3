import type { Accept, Connect } from '../lab/endpoint.js';
import type { RelayedPacket } from '../lab/relay.js';
import type { AccuracyCase } from './cases.js';

/** What happened to one connection, from the accounts of the relay and of the endpoints. Microseconds. */
export interface Truth {
  readonly clientPort: number;
  readonly serverPort: number;
  readonly clientIsn: number;
  readonly serverIsn: number | null;
  /** The first SYN leaves the client's stack → the packet, or the system call, that ended the attempt. */
  readonly clientLatencyUs: number;
  readonly synRetransmits: number;
  /** The first SYN reaches the server's stack → the first packet that acknowledges its SYN-ACK does; null if none did. */
  readonly serverLatencyUs: number | null;
  /** ... → accept() returned. */
  readonly acceptWaitUs: number | null;
  readonly synAckRetransmits: number | null;
}

function group(packets: readonly RelayedPacket[]): readonly (readonly RelayedPacket[])[] {
  const clientPort = ({ from, source, destination }: RelayedPacket) =>
    from === 'a' ? source.port : destination.port;
  return [...Map.groupBy(packets, clientPort).values()];
}

function endOfAttempt(
  outcome: AccuracyCase['client'],
  packets: readonly RelayedPacket[],
  connect: Connect,
): number {
  if (outcome === 'timed_out') return connect.endedUs;
  if (outcome === 'aborted') return connect.closedUs;
  const kind = outcome === 'refused' ? 'rst' : 'synack';
  const answer = packets.find((packet) => packet.kind === kind && packet.from === 'b' && packet.sentUs);
  if (answer?.sentUs === undefined) throw new Error(`no ${kind} crossed the wire`);
  return answer.sentUs;
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
    ({ from, kind, sentUs }) => from === 'a' && sentUs && ['ack', 'data', 'fin'].includes(kind),
  )?.sentUs;
  const accepted = accepts.find(({ remote }) => remote.port === first.source.port)?.acceptedUs;
  const sentInTime = synAcks.filter(({ arrivedUs }) => arrivedUs <= (acknowledged ?? Infinity)).length;
  const established = delivered !== undefined && acknowledged !== undefined;
  return {
    clientPort: first.source.port,
    serverPort: first.destination.port,
    clientIsn: first.seq,
    serverIsn: synAcks[0]?.seq ?? null,
    clientLatencyUs: endOfAttempt(outcome, packets, connect) - first.arrivedUs,
    synRetransmits: syns.length - 1,
    serverLatencyUs: established ? acknowledged - delivered : null,
    acceptWaitUs: established && accepted !== undefined ? accepted - acknowledged : null,
    synAckRetransmits: synAcks.length > 0 ? sentInTime - 1 : null,
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
