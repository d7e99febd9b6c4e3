import DNS from 'dns2';
import type { Hidden, Packet } from './dns-packets.js';
import { type Direction, type RecordedQuery } from './dns-parser-process.js';

/**
 * What the kernel should make of a packet, told from how it was made and from what dns2 reads in it. It records what is `taken`; it counts what is
 * `malformed`, names that begin as a `pointer in the first name` among that, and the `unsolicited answer`s; it has nothing to do with the rest.
 * dns2 itself takes such pointers, and messages of any opcode.
 */
export type Verdict =
  | Hidden
  | 'taken'
  | 'malformed'
  | 'pointer in the first name'
  | 'other opcode'
  | 'answer to a DNS port'
  | 'unsolicited answer';

const DNS_PORT = 53;
const HEADER_BYTES = 12;
const DNS_FLAG_SEVERAL_QUESTIONS = 2;

interface Reading {
  readonly header: DNS.Packet.Header;
  /** The first, if dns2 can read it. Whatever follows it may be broken: nobody looks at it. */
  readonly question: DNS.Packet.Question | undefined;
}

function read(message: Buffer): Reading | undefined {
  if (message.length < HEADER_BYTES) return undefined;
  const { header, questions, errors } = DNS.Packet.parse(message);
  const broken = errors.some(({ section, index }) => section === 'questions' && index === 0);
  return { header, question: broken ? undefined : questions[0] };
}

/** RFC 1035 §4.1.4 lets names point to a prior occurrence; before the first there is only the header. */
function beginsWithPointer(message: Buffer): boolean {
  let at = HEADER_BYTES;
  for (let length = message[at] ?? 0; length > 0; length = message[at] ?? 0) {
    if (length >= 0xc0) return true;
    at += length + 1;
  }
  return false;
}

/** Between two DNS ports the message alone tells its way. */
const answerBy = (port: number): Verdict =>
  port === DNS_PORT ? 'unsolicited answer' : 'answer to a DNS port';

function judge({ client, hidden, payload }: Packet, reading: Reading | undefined): Verdict {
  if (hidden !== undefined) return hidden;
  if (!reading) return 'malformed';
  const { qr, opcode, qdcount } = reading.header;
  if (opcode !== 0) return 'other opcode';
  if (!reading.question) return qr !== 0 && qdcount === 0 ? answerBy(client.port) : 'malformed';
  if (beginsWithPointer(payload)) return 'pointer in the first name';
  return qr !== 0 ? answerBy(client.port) : 'taken';
}

/** As dns2 gives names: a character for each byte, labels joined by dots. */
function joinLabels(wire: Buffer): string {
  const labels: string[] = [];
  let at = 0;
  for (let length = wire[at] ?? 0; length > 0; length = wire[at] ?? 0) {
    labels.push(wire.toString('latin1', at + 1, at + 1 + length));
    at += length + 1;
  }
  if (at !== wire.length - 1)
    throw new Error(`recorded name does not end where its labels do: ${wire.toString('hex')}`);
  return labels.join('.');
}

function checkRecord(
  { header, question }: Reading,
  message: Buffer,
  direction: Direction,
  record: RecordedQuery,
): void {
  const name = Buffer.from(record.name, 'hex');
  if (!message.subarray(HEADER_BYTES).subarray(0, name.length).equals(name)) {
    throw new Error('the recorded name is not the bytes of the message');
  }
  if (!/^0*$/.test(record.padding)) throw new Error(`what fills the record up is not 0: ${record.padding}`);
  const fields: [string, unknown, unknown][] = [
    ['name', joinLabels(name), question?.name],
    ['type', record.type, question?.type],
    ['class', record.class, question?.class],
    ['id', record.id, header.id],
    ['flags', record.flags, header.qdcount > 1 ? DNS_FLAG_SEVERAL_QUESTIONS : 0],
    ['side', record.side, direction === 'egress' ? 1 : 2],
    ['transport', record.transport, 1],
    ['server port', record.serverPort, DNS_PORT],
  ];
  for (const [field, recorded, witnessed] of fields) {
    if (recorded === witnessed) continue;
    throw new Error(
      `${field}: ${JSON.stringify(recorded)} in the kernel, ${JSON.stringify(witnessed)} by dns2`,
    );
  }
}

/** Throws if the kernel made something else of the packet. */
export function compare(packet: Packet, direction: Direction, record: RecordedQuery | undefined): Verdict {
  const reading = read(packet.payload);
  const verdict = judge(packet, reading);
  if (verdict === 'taken' && reading) {
    if (!record) throw new Error('the kernel did not record the query');
    checkRecord(reading, packet.payload, direction, record);
  } else if (record) {
    throw new Error(`the kernel recorded in spite of: ${verdict}`);
  }
  return verdict;
}
