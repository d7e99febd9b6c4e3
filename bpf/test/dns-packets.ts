/** Puts DNS messages into IP packets as a kernel might see them, each from a client of its own by which its record is found again. */
import type { Message, Random } from './dns-messages.js';

/** Why the kernel's programs look at no message in a packet. */
export type Hidden = 'later fragment' | 'more than 6 extension headers' | 'multicast';

export interface Packet {
  /** From the IP header on. */
  readonly bytes: Buffer;
  readonly client: Client;
  /** What the datagram carries. */
  readonly payload: Buffer;
  readonly hidden: Hidden | undefined;
  /** How it was made, for who reads a failure. */
  readonly made: string;
}

export interface Client {
  readonly family: 4 | 6;
  /** As in the records: 16 bytes in hexadecimal, IPv4 as ::ffff:a.b.c.d. */
  readonly address: string;
  readonly port: number;
}

const DNS_PORT = 53;
const UDP = 17;
const UDP_HEADER_BYTES = 8;
const IPV4_DO_NOT_FRAGMENT = 0x4000;
const IPV4_MORE_FRAGMENTS = 0x2000;
const FRAGMENT_OFFSET_MAX = 0x1fff;
const IPV6_HOP_BY_HOP = 0;
const IPV6_ROUTING = 43;
const IPV6_FRAGMENT = 44;
const IPV6_DESTINATION_OPTIONS = 60;
/** IPV6_EXTENSIONS_MAX of bpf/dns/packets.bpf.h. */
const IPV6_HEADERS_FOLLOWED = 6;

const SERVER = { 4: Buffer.of(192, 0, 2, 53), 6: Buffer.from('20010db8000000000000000000000035', 'hex') };
/** mDNS (RFC 6762 §3). */
const GROUP = { 4: Buffer.of(224, 0, 0, 251), 6: Buffer.from('ff0200000000000000000000000000fb', 'hex') };

/** The number is in the address: a network of 2^24 for IPv4 (RFC 1918), more for IPv6 (RFC 4193). */
function clientOf(number: number, random: Random): Client {
  const family = random.chance(0.5) ? 4 : 6;
  // Resolvers ask from the DNS port, too.
  const port = random.chance(0.02) ? DNS_PORT : random.between(1024, 65535);
  const host = number.toString(16).padStart(6, '0');
  return {
    family,
    port,
    address: family === 4 ? `${'0'.repeat(20)}ffff0a${host}` : `fd${'0'.repeat(24)}${host}`,
  };
}

/** Its length is right: where the programs see a datagram, the kernel has cut off what is behind it, and refused what is longer than its packet. */
function datagram(client: Client, payload: Buffer, fromServer: boolean): Buffer {
  const header = Buffer.alloc(UDP_HEADER_BYTES);
  header.writeUInt16BE(fromServer ? DNS_PORT : client.port, 0);
  header.writeUInt16BE(fromServer ? client.port : DNS_PORT, 2);
  header.writeUInt16BE(UDP_HEADER_BYTES + payload.length, 4);
  return Buffer.concat([header, payload]);
}

/** What IP adds to a datagram. */
interface Wrapping {
  readonly random: Random;
  /** Source, then destination. */
  readonly addresses: Buffer;
  readonly body: Buffer;
}

interface IpPacket {
  readonly bytes: Buffer;
  readonly hidden: Hidden | undefined;
  readonly made: string;
}

/** In units of 8 bytes; each bit of it alone means that the datagram's header is elsewhere. */
function fragmentOffset(random: Random): number {
  if (!random.chance(0.01)) return 0;
  return random.chance(0.5) ? 1 << random.below(13) : random.between(1, FRAGMENT_OFFSET_MAX);
}

function ipv4({ random, addresses, body }: Wrapping): IpPacket {
  const options = random.chance(0.1) ? random.bytes(4 * random.between(1, 10)) : Buffer.alloc(0);
  const header = Buffer.alloc(12);
  header[0] = 0x40 | (5 + options.length / 4);
  header.writeUInt16BE(20 + options.length + body.length, 2);
  header.writeUInt16BE(random.below(65536), 4);
  const offset = fragmentOffset(random);
  const flag = random.chance(0.02) ? IPV4_MORE_FRAGMENTS : random.pick([0, IPV4_DO_NOT_FRAGMENT]);
  header.writeUInt16BE(offset | flag, 6);
  header[8] = 64; // hops
  header[9] = UDP;
  return {
    bytes: Buffer.concat([header, addresses, options, body]),
    hidden: offset > 0 ? 'later fragment' : undefined,
    made: `IPv4, ${options.length} bytes of options`,
  };
}

interface ExtensionHeader {
  readonly type: number;
  /** The first byte, the type of the next header, is still to be written. */
  readonly bytes: Buffer;
}

/** With options of random bytes (RFC 8200 §4.2); the second byte is the length, in units of 8 bytes, the first not counted. */
function optionsHeader(random: Random, type: number): ExtensionHeader {
  const units = random.below(4);
  return { type, bytes: Buffer.concat([Buffer.of(0, units), random.bytes(8 * units + 6)]) };
}

function fragmentHeader(random: Random, offset: number): ExtensionHeader {
  const bytes = Buffer.alloc(8);
  // With neither offset nor more to come: an atomic fragment (RFC 6946).
  bytes.writeUInt16BE((offset << 3) | random.below(2), 2);
  bytes.writeUInt32BE(random.next(), 4);
  return { type: IPV6_FRAGMENT, bytes };
}

/** Hop-by-hop options come first (RFC 8200 §4.1). */
function extensionHeaders(random: Random): ExtensionHeader[] {
  const count = random.chance(0.1) ? random.between(1, IPV6_HEADERS_FOLLOWED + 2) : 0;
  return Array.from({ length: count }, (_, i) =>
    optionsHeader(
      random,
      i === 0 && random.chance(0.3) ? IPV6_HOP_BY_HOP : random.pick([IPV6_ROUTING, IPV6_DESTINATION_OPTIONS]),
    ),
  );
}

function ipv6({ random, addresses, body }: Wrapping): IpPacket {
  const chain = extensionHeaders(random);
  const offset = fragmentOffset(random);
  if (offset > 0 || random.chance(0.02)) chain.push(fragmentHeader(random, offset));
  for (const [i, { bytes }] of chain.entries()) bytes[0] = chain[i + 1]?.type ?? UDP;
  const rest = Buffer.concat([...chain.map(({ bytes }) => bytes), body]);
  const header = Buffer.alloc(8);
  header.writeUInt32BE((6 << 28) | random.below(1 << 20), 0);
  header.writeUInt16BE(rest.length, 4);
  header[6] = chain[0]?.type ?? UDP;
  header[7] = 64; // hops
  const hiddenByLength = chain.length > IPV6_HEADERS_FOLLOWED ? 'more than 6 extension headers' : undefined;
  return {
    bytes: Buffer.concat([header, addresses, rest]),
    hidden: offset > 0 ? 'later fragment' : hiddenByLength,
    made: `IPv6, headers ${chain.map(({ type }) => type).join(' ')}`,
  };
}

/** One datagram between the client of that number and port 53 of a server. */
export function packetOf(random: Random, number: number, message: Message, fromServer = false): Packet {
  const client = clientOf(number, random);
  const multicast = !fromServer && random.chance(0.005);
  const server = (multicast ? GROUP : SERVER)[client.family];
  const own = Buffer.from(client.address, 'hex').subarray(client.family === 4 ? 12 : 0);
  const wrapping = {
    random,
    addresses: Buffer.concat(fromServer ? [server, own] : [own, server]),
    body: datagram(client, message.bytes, fromServer),
  };
  const { bytes, hidden, made } = client.family === 4 ? ipv4(wrapping) : ipv6(wrapping);
  return {
    bytes,
    client,
    payload: message.bytes,
    hidden: multicast ? 'multicast' : hidden,
    made: `${message.made}; ${made}`,
  };
}
