import type { ReceivedMessage } from '../../lab/dns-client.js';
import type { DnsServer, SentAnswer } from '../../lab/dns-server.js';
import type { RelayedPacket } from '../../lab/relay.js';
import type { WitnessedDnsMessage } from '../../lab/witnessed-dns.js';
import type { Range } from '../comparer.js';
import type { DnsCase, ExpectedQuery, QueryType } from './cases.js';
import type { AskerAccount } from './experiment.js';

/**
 * What happened to one query, from the accounts of the relay, of the server and of who asked. A time that two know of is a range: what the
 * relay tells lies within what a client waits, and around what a server takes; their own clocks are read before a system call begins and
 * after it has returned.
 */
export interface Truth {
  readonly expected: ExpectedQuery;
  readonly name: string;
  readonly type: QueryType;
  readonly attempt: number;
  readonly id: number;
  readonly clientPort: number;
  /** CLOCK_MONOTONIC, microseconds: when the query reached the wire. */
  readonly askedUs: number;
  /** Query → answer; null: there is none. */
  readonly clientLatency: Range | null;
  readonly resolverLatency: Range | null;
  /** The only query with its ports and ID, so that everybody knows which answer is its. */
  readonly alone: boolean;
}

/** A query as its sender or its receiver told of it, with the packets of it. */
interface Sighting {
  readonly transport: 'udp' | 'tcp';
  readonly name: string;
  readonly type: QueryType;
  readonly id: number;
  readonly clientPort: number;
  /** Before the system call that sent it; unknown of dig and glibc. */
  readonly callUs: number | undefined;
  /** It was complete on the wire's near end, and on its far end. */
  readonly leftUs: number;
  readonly arrivedUs: number;
}

interface AnswerSighting {
  readonly sent: SentAnswer;
  /** It was complete on the wire's near end, and on its far end. */
  readonly leftUs: number;
  readonly arrivedUs: number;
}

/** Those of one direction of TCP that make up one message: all up to the next one of the other direction. */
function messages(packets: readonly RelayedPacket[]): readonly RelayedPacket[][] {
  const runs: RelayedPacket[][] = [];
  for (const packet of packets) {
    const last = runs.at(-1);
    if (last?.[0]?.from === packet.from) last.push(packet);
    else runs.push([packet]);
  }
  return runs;
}

/** The last packet of every message of one side, in their order; over TCP there is never more than one exchange under way in a connection. */
function lastPackets(
  packets: readonly RelayedPacket[],
  from: RelayedPacket['from'],
  transport: 'udp' | 'tcp',
): readonly RelayedPacket[] {
  if (transport === 'udp') return packets.filter((packet) => packet.kind === 'udp' && packet.from === from);
  const clientPort = (packet: RelayedPacket) =>
    packet.from === 'a' ? packet.source.port : packet.destination.port;
  const segments = packets.filter(({ kind }) => kind === 'data');
  return [...Map.groupBy(segments, clientPort).values()]
    .flatMap(messages)
    .filter((run) => run[0]?.from === from)
    .flatMap((run) => run.at(-1) ?? []);
}

const typeOf = (number: number): QueryType => (number === 1 ? 'A' : 'AAAA');
const key = (query: { transport: string; clientPort: number; id: number; name: string; type: string }) =>
  `${query.transport} ${query.clientPort} ${query.id} ${query.name} ${query.type}`;

/** In the order of the wire, which is that of who asked and of the server. */
function sightings(
  packets: readonly RelayedPacket[],
  asker: AskerAccount,
  server: DnsServer,
  transport: 'udp' | 'tcp',
): readonly Sighting[] {
  const onTheWire = lastPackets(packets, 'a', transport);
  const received = server.queries.filter((query) => query.transport === transport);
  const accounts =
    asker.asked.length > 0
      ? asker.asked.map(({ name, type, id, local, sentUs }) => ({ name, type, id, port: local.port, sentUs }))
      : received.map(({ name, type, id, client }) => ({
          name,
          type,
          id,
          port: client.port,
          sentUs: undefined,
        }));
  if (onTheWire.length === 0) return [];
  if (accounts.length !== onTheWire.length)
    throw new Error(
      `${accounts.length} queries by ${transport} were asked, but ${onTheWire.length} crossed the wire`,
    );
  return onTheWire.map((packet, index) => {
    const account = accounts[index];
    if (!account || account.port !== packet.source.port || packet.sentUs === undefined)
      throw new Error('the relay tells of other queries than their ends');
    return {
      transport,
      name: account.name,
      type: typeOf(account.type),
      id: account.id,
      clientPort: account.port,
      callUs: account.sentUs,
      leftUs: packet.arrivedUs,
      arrivedUs: packet.sentUs,
    };
  });
}

function answerSightings(
  packets: readonly RelayedPacket[],
  server: DnsServer,
  transport: 'udp' | 'tcp',
): ReadonlyMap<string, readonly AnswerSighting[]> {
  const onTheWire = lastPackets(packets, 'b', transport);
  const told = server.answers.filter((answer) => answer.transport === transport);
  if (told.length !== onTheWire.length)
    throw new Error(
      `${told.length} answers by ${transport} were sent, but ${onTheWire.length} crossed the wire`,
    );
  const answers = told.map((sent, index) => {
    const packet = onTheWire[index];
    if (packet?.sentUs === undefined || packet.destination.port !== sent.client.port)
      throw new Error('the relay tells of other answers than the server');
    return { sent, leftUs: packet.arrivedUs, arrivedUs: packet.sentUs };
  });
  return Map.groupBy(answers, ({ sent: { transport, client, id, name, type } }) =>
    key({ transport, clientPort: client.port, id, name, type: typeOf(type) }),
  );
}

/** Between the query and its answer on the client's device, by the capture's clock. */
function capturedUs(captured: readonly WitnessedDnsMessage[], query: Sighting, nth: number): number {
  const same = captured.filter(({ transport, id, name, type = 0, source, destination, response }) => {
    const port = response ? destination.port : source.port;
    return key({ transport, clientPort: port, id, name: name ?? '', type: typeOf(type) }) === key(query);
  });
  const asked = same.filter(({ response }) => !response)[nth];
  const answer = same.filter(({ response }) => response)[nth];
  if (!asked || !answer) throw new Error(`tshark did not see ${query.name} ${query.type} and its answer`);
  return answer.timeUs - asked.timeUs;
}

function clientLatency(
  query: Sighting,
  answer: AnswerSighting,
  received: ReceivedMessage | undefined,
  captured: () => number,
): Range {
  const leastUs = answer.arrivedUs - query.leftUs;
  // dig and glibc do not tell when they asked, and the relay may have come late to take it.
  const mostUs =
    query.callUs === undefined
      ? Math.max(leastUs, captured())
      : (received?.receivedUs ?? answer.arrivedUs) - query.callUs;
  return { leastUs, mostUs };
}

function resolverLatency(query: Sighting, { sent, leftUs }: AnswerSighting): Range {
  return { leastUs: sent.sentUs - sent.receivedUs, mostUs: leftUs - query.arrivedUs };
}

/** What dns-client.c took for the answer to a query: to its first attempt, since equal attempts are answered in their order. */
function receivedFor(asker: AskerAccount, query: Sighting, nth: number): ReceivedMessage | undefined {
  const equal = asker.asked.filter(
    ({ name, type, id, local }) =>
      name === query.name &&
      typeOf(type) === query.type &&
      id === query.id &&
      local.port === query.clientPort,
  );
  const index = equal[nth]?.index;
  return nth > 0 && equal[nth - 1]?.index === index
    ? undefined
    : asker.received.find((message) => message.index === index);
}

/** Of the queries in the order in which they were asked, with what the case expects of each. `captured`: on the client's device. */
export function deriveTruths(
  testCase: DnsCase,
  packets: readonly RelayedPacket[],
  asker: AskerAccount,
  server: DnsServer,
  captured: readonly WitnessedDnsMessage[],
): readonly Truth[] {
  const truths: Truth[] = [];
  for (const transport of ['udp', 'tcp'] as const) {
    const queries = sightings(packets, asker, server, transport);
    const answers = answerSightings(packets, server, transport);
    const keys = Map.groupBy(queries, key);
    const questions = Map.groupBy(queries, ({ name, type }) => `${name} ${type}`);
    for (const query of queries) {
      const equal = keys.get(key(query)) ?? [];
      const nth = equal.indexOf(query);
      const ofItsQuestion = testCase.queries.filter(
        (expected) => expected.transport === transport && expected.type === query.type,
      );
      const expected = ofItsQuestion[questions.get(`${query.name} ${query.type}`)?.indexOf(query) ?? 0];
      if (!expected) throw new Error(`${query.name} ${query.type} was asked more often than expected`);
      const answer = expected.client.outcome === 'unanswered' ? undefined : answers.get(key(query))?.[nth];
      truths.push({
        expected,
        name: query.name,
        type: query.type,
        attempt: expected.attempt,
        id: query.id,
        clientPort: query.clientPort,
        askedUs: query.leftUs,
        clientLatency: answer
          ? clientLatency(query, answer, receivedFor(asker, query, nth), () =>
              capturedUs(captured, query, nth),
            )
          : null,
        resolverLatency: answer ? resolverLatency(query, answer) : null,
        alone:
          queries.filter(({ clientPort, id }) => clientPort === query.clientPort && id === query.id)
            .length === 1,
      });
    }
  }
  return truths;
}
