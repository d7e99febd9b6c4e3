/** DNS messages for the parser: well-formed queries, the same damaged, and noise. All by a seed. */

export interface Question {
  /** Wire form (RFC 1035 §3.1), uncompressed. */
  readonly name: Buffer;
  readonly type: number;
  readonly class: number;
}

/** What a query was made of. */
export interface Query {
  readonly id: number;
  readonly questions: readonly Question[];
}

export interface Message {
  /** How it was made, for who reads a failure. */
  readonly made: string;
  readonly bytes: Buffer;
  /** Of undamaged queries. */
  readonly query?: Query;
}

const HEADER_BYTES = 12;
const LABEL_BYTES_MAX = 63;
const NAME_BYTES_MAX = 255; // RFC 1035 §2.3.4, length bytes and the root's included
const POINTER = 0xc000; // RFC 1035 §4.1.4

/** The same numbers from the same seed: a Weyl sequence through the finalizer of MurmurHash3. */
export class Random {
  private state: number;

  constructor(seed: number) {
    this.state = seed | 0;
  }

  next(): number {
    this.state = (this.state + 0x9e3779b9) | 0;
    let value = this.state;
    value = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
    value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
    return (value ^ (value >>> 16)) >>> 0;
  }

  /** 0 to `limit` − 1. */
  below(limit: number): number {
    return Math.floor((this.next() / 2 ** 32) * limit);
  }

  between(least: number, most: number): number {
    return least + this.below(most - least + 1);
  }

  chance(probability: number): boolean {
    return this.next() < probability * 2 ** 32;
  }

  pick<T>(from: readonly [T, ...T[]]): T {
    return from[this.below(from.length)] ?? from[0];
  }

  bytes(count: number): Buffer {
    const bytes = Buffer.allocUnsafe(count);
    for (let i = 0; i < count; i++) bytes[i] = this.next();
    return bytes;
  }
}

const HOST_NAME_CHARACTERS = 'abcdefghijklmnopqrstuvwxyz0123456789-_';

function hostLabel(random: Random, length: number): Buffer {
  const label = Buffer.allocUnsafe(length);
  // 0x20 case: some resolvers ask in random case and want it back (draft-vixie-dnsext-dns0x20).
  const mixed = random.chance(0.3);
  for (let i = 0; i < length; i++) {
    const byte = HOST_NAME_CHARACTERS.charCodeAt(random.below(HOST_NAME_CHARACTERS.length));
    label[i] = mixed && byte >= 0x61 && random.chance(0.5) ? byte & ~0x20 : byte;
  }
  return label;
}

function wireName(labels: readonly Buffer[]): Buffer {
  return Buffer.concat([...labels.flatMap((label) => [Buffer.of(label.length), label]), Buffer.of(0)]);
}

type LabelMaker = (random: Random, length: number) => Buffer;
const anyLabel: LabelMaker = (random, length) => random.bytes(length);

/** A name of exactly that many bytes on the wire, root included; 2 cannot be made. */
function nameOfLength(random: Random, total: number, longest: number, make: LabelMaker): Buffer {
  const labels: Buffer[] = [];
  for (let left = total - 1; left > 0; ) {
    let length = random.between(1, Math.min(longest, left - 1));
    if (left - length - 1 === 1) length += length < LABEL_BYTES_MAX ? 1 : -1; // no label fits into one byte
    labels.push(make(random, length));
    left -= length + 1;
  }
  return wireName(labels);
}

function hostName(random: Random): Buffer {
  const labels = Array.from({ length: random.between(1, 5) }, () =>
    hostLabel(random, random.chance(0.05) ? LABEL_BYTES_MAX : random.between(1, 12)),
  );
  return wireName(labels);
}

function randomName(random: Random): Buffer {
  switch (random.below(8)) {
    case 0:
      return wireName([]);
    case 1:
      return nameOfLength(random, random.between(3, NAME_BYTES_MAX), LABEL_BYTES_MAX, anyLabel);
    case 2:
      return nameOfLength(random, random.between(250, NAME_BYTES_MAX), LABEL_BYTES_MAX, hostLabel);
    case 3:
      return nameOfLength(random, random.between(200, NAME_BYTES_MAX), random.between(1, 3), anyLabel);
    default:
      return hostName(random);
  }
}

function uint16(...values: number[]): Buffer {
  const bytes = Buffer.allocUnsafe(2 * values.length);
  for (const [i, value] of values.entries()) bytes.writeUInt16BE(value, 2 * i);
  return bytes;
}

const TYPES = [1, 28, 1, 28, 65, 12, 15, 16, 33, 255, 252, 0, 65535] as const;
const CLASSES = [1, 1, 1, 1, 3, 255, 0, 0x8001] as const;

function randomQuestion(random: Random): Question {
  return {
    name: randomName(random),
    type: random.chance(0.1) ? random.below(65536) : random.pick(TYPES),
    class: random.chance(0.05) ? random.below(65536) : random.pick(CLASSES),
  };
}

/** An OPT record (RFC 6891 §6.1.2) with options such as COOKIE, padding, and unknown ones. */
function edns(random: Random): Buffer {
  const options = Array.from({ length: random.below(4) }, () => {
    const data = random.bytes(random.chance(0.05) ? random.below(400) : random.below(24));
    return Buffer.concat([uint16(random.pick([3, 8, 10, 12, 65001]), data.length), data]);
  });
  const data = Buffer.concat(options);
  const extended = random.pick([0, 0x8000]); // DNSSEC OK
  return Buffer.concat([Buffer.of(0), uint16(41, random.between(512, 4096), 0, extended, data.length), data]);
}

/** A query that any parser must take. */
export function wellFormedQuery(random: Random): Message & { readonly query: Query } {
  const count = random.chance(0.07) ? random.between(2, 4) : 1;
  const questions = Array.from({ length: count }, () => randomQuestion(random));
  const id = random.below(65536);
  const withEdns = random.chance(0.4);
  const flags = (random.below(2) << 8) | (random.below(4) << 4); // RD, AD and CD
  const bytes = Buffer.concat([
    uint16(id, flags, count, 0, 0, withEdns ? 1 : 0),
    ...questions.flatMap((question, i) => {
      // Only the first name has nothing before it to point to.
      const name = i > 0 && random.chance(0.5) ? uint16(POINTER | HEADER_BYTES) : question.name;
      return [name, uint16(question.type, question.class)];
    }),
    ...(withEdns ? [edns(random)] : []),
  ]);
  return { made: 'well-formed', bytes, query: { id, questions } };
}

/** Where the length bytes of the first name are, the root's included, as far as the message goes. */
function lengthBytePositions(message: Buffer): [number, ...number[]] {
  const positions: [number, ...number[]] = [HEADER_BYTES];
  let at = HEADER_BYTES;
  for (let length = message[at]; length !== undefined && length > 0 && length < 64; length = message[at]) {
    at += length + 1;
    if (at < message.length) positions.push(at);
  }
  return positions;
}

/** Puts bytes into the message, over what is there. */
function overwrite(message: Buffer, at: number, bytes: Buffer): Buffer {
  const copy = Buffer.from(message);
  bytes.copy(copy, at);
  return copy;
}

function insert(message: Buffer, at: number, bytes: Buffer): Buffer {
  return Buffer.concat([message.subarray(0, at), bytes, message.subarray(at)]);
}

/** Of pointers: to itself, to what follows, to what precedes, into the header, behind the end. */
function pointerTarget(random: Random, from: number, message: Buffer): number {
  return random.pick([
    from,
    from + 2,
    HEADER_BYTES,
    random.below(HEADER_BYTES),
    random.below(message.length),
    0x3fff,
  ]);
}

type Mutation = (random: Random, message: Buffer) => Buffer;

const mutations = {
  'bits flipped': (random, message) => {
    const copy = Buffer.from(message);
    for (let left = random.between(1, 8); left > 0; left--) {
      const at = random.below(copy.length);
      copy[at] = (copy[at] ?? 0) ^ (1 << random.below(8));
    }
    return copy;
  },
  'cut short': (random, message) => message.subarray(0, random.below(message.length)),
  'length byte changed': (random, message) => {
    const at = random.pick(lengthBytePositions(message));
    return overwrite(
      message,
      at,
      Buffer.of(random.pick([0, 1, 63, 64, 128, 191, 192, 255, random.below(256)])),
    );
  },
  'pointer in the name': (random, message) => {
    const at = random.pick(lengthBytePositions(message));
    const pointer = uint16(POINTER | pointerTarget(random, at, message));
    return random.chance(0.5) ? insert(message, at, pointer) : overwrite(message, at, pointer);
  },
  'pointers in a loop': (random, message) => {
    const at = random.pick(lengthBytePositions(message));
    return insert(message, at, uint16(POINTER | (at + 2), POINTER | at));
  },
  'pointer anywhere': (random, message) => {
    const at = random.below(message.length);
    return overwrite(message, at, uint16(POINTER | pointerTarget(random, at, message)));
  },
  'counts changed': (random, message) => {
    const at = 4 + 2 * random.below(4);
    return overwrite(message, at, uint16(random.pick([0, 1, 2, 3, 255, 65535, random.below(65536)])));
  },
  'flags changed': (random, message) => overwrite(message, 2, random.bytes(2)),
  'made an answer': (_random, message) => overwrite(message, 2, Buffer.of((message[2] ?? 0) | 0x80)),
  'other opcode': (random, message) =>
    overwrite(message, 2, Buffer.of(((message[2] ?? 0) & 0x87) | (random.between(1, 15) << 3))),
  'bytes behind': (random, message) => Buffer.concat([message, random.bytes(random.between(1, 64))]),
  'bytes put in': (random, message) =>
    insert(message, random.below(message.length), random.bytes(random.between(1, 8))),
  'label put in': (random, message) => {
    const label = random.bytes(random.between(1, LABEL_BYTES_MAX));
    return insert(message, HEADER_BYTES, Buffer.concat([Buffer.of(label.length), label]));
  },
  'name over the limit': (random, message) => {
    const name = nameOfLength(
      random,
      random.between(NAME_BYTES_MAX + 1, NAME_BYTES_MAX + 80),
      LABEL_BYTES_MAX,
      anyLabel,
    );
    const end = lengthBytePositions(message).at(-1) ?? HEADER_BYTES;
    return Buffer.concat([message.subarray(0, HEADER_BYTES), name, message.subarray(end + 1)]);
  },
  'end of another': (random, message) => {
    const other = wellFormedQuery(random).bytes;
    return Buffer.concat([
      message.subarray(0, random.below(message.length)),
      other.subarray(random.below(other.length)),
    ]);
  },
} as const satisfies Record<string, Mutation>;

const mutationNames = Object.keys(mutations) as [keyof typeof mutations, ...(keyof typeof mutations)[]];

export function damagedQuery(random: Random): Message {
  let bytes = wellFormedQuery(random).bytes;
  const made: string[] = [];
  do {
    const name = random.pick(mutationNames);
    made.push(name);
    bytes = mutations[name](random, bytes);
  } while (bytes.length > HEADER_BYTES && random.chance(0.25));
  return { made: made.join(', '), bytes };
}

export function noise(random: Random): Message {
  const bytes = random.bytes(random.chance(0.1) ? random.below(1200) : random.below(200));
  if (random.chance(0.5)) return { made: 'noise', bytes };
  const header = uint16(random.below(65536), 0x0100, random.between(0, 2), 0, 0, random.below(2));
  return { made: 'noise behind a header', bytes: Buffer.concat([header, bytes]) };
}

export function randomMessage(random: Random): Message {
  const kind = random.below(10);
  if (kind < 3) return wellFormedQuery(random);
  return kind < 9 ? damagedQuery(random) : noise(random);
}
