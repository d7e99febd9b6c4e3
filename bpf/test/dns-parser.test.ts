/**
 * The parser in the kernel against an independent one, on random and damaged packets. A failure prints the seed; the same run again:
 *
 *   SYNSCOPE_FUZZ_SEED=… SYNSCOPE_FUZZ_MESSAGES=… npm test -- --project kernel bpf/test/dns-parser
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Message, Random, randomMessage, wellFormedQuery } from './dns-messages.js';
import { type Packet, packetOf } from './dns-packets.js';
import {
  clientKey,
  type Direction,
  DnsParserProcess,
  type ParserCounters,
  type RecordedQuery,
} from './dns-parser-process.js';
import { compare, type Verdict } from './dns-witness.js';

const seed = Number(process.env['SYNSCOPE_FUZZ_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const messages = Number(process.env['SYNSCOPE_FUZZ_MESSAGES'] ?? 120_000);
/** Packets between two settlements: well below the room in the kernel's table, so that none is turned away. */
const BATCH = 1_000;

let parser: DnsParserProcess;

beforeAll(() => {
  parser = new DnsParserProcess();
});

afterAll(() => parser.end());

interface Case {
  readonly number: number;
  readonly message: Message;
  readonly packet: Packet;
}

/** The same for the same seed and number, whatever comes before. */
function caseOf(number: number, make: (random: Random) => Message, fromServer = false): Case {
  const random = new Random(seed + Math.imul(number, 0x01000193));
  const message = make(random);
  return { number, message, packet: packetOf(random, number, message, fromServer) };
}

function describeCase({ number, packet }: Case, direction: Direction): string {
  return `SYNSCOPE_FUZZ_SEED=${seed}, packet ${number} (${direction}): ${packet.made}\n${packet.bytes.toString('hex')}`;
}

/** Each record by its client; a client asks once. */
function byClient(records: readonly RecordedQuery[]): Map<string, RecordedQuery> {
  const found = new Map(
    records.map((record) => [clientKey({ address: record.client, port: record.port }), record]),
  );
  expect(found.size, 'one record for each client').toBe(records.length);
  return found;
}

type Verdicts = Map<Verdict, number>;

/** Runs one batch and compares each packet with its record. */
async function compareBatch(cases: readonly Case[], direction: Direction, verdicts: Verdicts): Promise<void> {
  const { records } = await parser.run(
    direction,
    cases.map(({ packet }) => packet),
  );
  const found = byClient(records);
  for (const one of cases) {
    const key = clientKey(one.packet.client);
    try {
      const verdict = compare(one.packet, direction, found.get(key));
      verdicts.set(verdict, (verdicts.get(verdict) ?? 0) + 1);
    } catch (error) {
      throw new Error(`${(error as Error).message}\n${describeCase(one, direction)}`);
    }
    found.delete(key);
  }
  expect([...found.keys()], 'records of clients that asked nothing').toEqual([]);
}

/** What was counted since the batch before. */
async function countersAfter(previous?: ParserCounters): Promise<ParserCounters> {
  const { counters } = await parser.run('egress', []);
  if (previous === undefined) return counters;
  const names = Object.keys(counters) as (keyof ParserCounters)[];
  return Object.fromEntries(names.map((name) => [name, counters[name] - previous[name]])) as Record<
    keyof ParserCounters,
    number
  >;
}

const nothing: ParserCounters = {
  emitted: 0,
  ringFull: 0,
  pendingTableFull: 0,
  unfinished: 0,
  tcpStream: 0,
  malformed: 0,
  unsolicited: 0,
};

it('agrees with dns2 on random and damaged packets, and counts what it refuses', {
  timeout: 120_000,
}, async () => {
  const verdicts: Verdicts = new Map();
  const before = await countersAfter();
  for (let first = 0; first < messages; first += BATCH) {
    const cases = Array.from({ length: Math.min(BATCH, messages - first) }, (_, i) =>
      caseOf(first + i, randomMessage),
    );
    await compareBatch(cases, first % (2 * BATCH) ? 'ingress' : 'egress', verdicts);
  }
  console.log(`SYNSCOPE_FUZZ_SEED=${seed}`, Object.fromEntries([...verdicts].sort(([, a], [, b]) => b - a)));
  const count = (verdict: Verdict) => verdicts.get(verdict) ?? 0;
  expect(await countersAfter(before)).toEqual({
    ...nothing,
    emitted: count('taken'),
    malformed: count('malformed') + count('pointer in the first name'),
    unsolicited: count('unsolicited answer'),
  });
  // A generator that makes nothing but rubbish, or none of it, would prove nothing.
  expect(count('taken')).toBeGreaterThan(messages / 3);
  expect(count('malformed')).toBeGreaterThan(messages / 10);
});

it('records undamaged queries as they were made', async () => {
  const cases = Array.from({ length: BATCH }, (_, i) => caseOf(i, wellFormedQuery));
  const { records } = await parser.run(
    'egress',
    cases.map(({ packet }) => packet),
  );
  const found = byClient(records);
  for (const { message, packet } of cases) {
    if (packet.hidden !== undefined) continue;
    const question = message.query?.questions[0];
    expect(found.get(clientKey(packet.client)), packet.made).toMatchObject({
      id: message.query?.id,
      name: question?.name.toString('hex'),
      type: question?.type,
      class: question?.class,
    });
  }
});

it('reads no message beyond its end, wherever that is', async () => {
  const random = new Random(seed);
  const verdicts: Verdicts = new Map();
  for (let i = 0; i < 40; i++) {
    const { bytes } = wellFormedQuery(random);
    const cases = Array.from({ length: bytes.length }, (_, length) =>
      caseOf(length, () => ({ made: `cut to ${length} bytes`, bytes: bytes.subarray(0, length) })),
    );
    await compareBatch(cases, 'egress', verdicts);
  }
  expect(verdicts.get('malformed')).toBeGreaterThan(1_000);
});

it('records no answer, and counts it as unsolicited', async () => {
  const answers = Array.from({ length: BATCH }, (_, i) =>
    caseOf(
      i,
      (random) => {
        const { bytes } = wellFormedQuery(random);
        bytes.writeUInt16BE(0x8180, 2); // QR, RD, RA
        return { made: 'answer', bytes };
      },
      true,
    ),
  );
  const seen = answers.filter(({ packet }) => packet.hidden === undefined).length;
  for (const direction of ['egress', 'ingress'] as const) {
    const before = await countersAfter();
    const { records } = await parser.run(
      direction,
      answers.map(({ packet }) => packet),
    );
    expect(records).toEqual([]);
    expect(await countersAfter(before)).toEqual({ ...nothing, unsolicited: seen });
  }
});

it('survives bytes that are no IP packet at all, and lets them pass', async () => {
  const random = new Random(seed);
  for (const direction of ['egress', 'ingress'] as const) {
    const packets = Array.from({ length: BATCH }, () => {
      // BPF_PROG_TEST_RUN refuses less than an IP header.
      const bytes = random.bytes(random.between(40, 300));
      // Mostly UDP or TCP, by IPv4's or IPv6's field.
      bytes[0] = random.pick([0x45, 0x60, 0x4f, 0x40, bytes[0] ?? 0]);
      for (const at of [6, 9]) if (bytes.length > at && random.chance(0.8)) bytes[at] = random.pick([6, 17]);
      return { bytes };
    });
    expect((await parser.run(direction, packets)).records).toEqual([]);
  }
});
