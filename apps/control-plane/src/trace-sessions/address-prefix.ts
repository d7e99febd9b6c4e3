import { isIPv4 } from 'node:net';

export interface AddressPrefix {
  /** 4 or 16 bytes, network order. */
  readonly address: Uint8Array;
  readonly length: number;
}

/** Reads a prefix that the contract's schema has let through, such as 10.0.0.0/8 or fd00::/8; an address is a prefix of all its bits. */
export function parsePrefix(text: string): AddressPrefix {
  const [before = '', length] = text.split('/');
  const address = isIPv4(before) ? ipv4Bytes(before) : ipv6Bytes(before);
  return { address, length: length === undefined ? address.length * 8 : Number(length) };
}

/** The prefix as it should have been written if bits beyond its length are set; null if all is well. */
export function withoutHostBits(text: string): string | null {
  const { address, length } = parsePrefix(text);
  const masked = address.map((byte, index) => byte & maskOfByte(length - index * 8));
  if (masked.every((byte, index) => byte === address[index])) return null;
  return `${address.length === 4 ? [...masked].join('.') : ipv6Text(masked)}/${length}`;
}

function maskOfByte(bits: number): number {
  if (bits >= 8) return 0xff;
  return bits <= 0 ? 0 : (0xff << (8 - bits)) & 0xff;
}

function ipv4Bytes(text: string): Uint8Array {
  return Uint8Array.from(text.split('.'), Number);
}

function ipv6Bytes(text: string): Uint8Array {
  const [head = '', tail] = text.split('::');
  const front = groupsOf(head);
  const back = tail === undefined ? [] : groupsOf(tail);
  const groups = [...front, ...Array<number>(8 - front.length - back.length).fill(0), ...back];
  return Uint8Array.from(groups.flatMap((group) => [group >> 8, group & 0xff]));
}

/** 16-bit groups; an IPv4 address at the end (::ffff:192.0.2.1) makes two. */
function groupsOf(text: string): number[] {
  if (text === '') return [];
  return text.split(':').flatMap((group) => {
    if (!group.includes('.')) return [Number.parseInt(group, 16)];
    const [a = 0, b = 0, c = 0, d = 0] = ipv4Bytes(group);
    return [(a << 8) | b, (c << 8) | d];
  });
}

function ipv6Text(bytes: Uint8Array): string {
  const groups = Array.from({ length: 8 }, (_, index) =>
    (((bytes[index * 2] ?? 0) << 8) | (bytes[index * 2 + 1] ?? 0)).toString(16),
  );
  // URL applies RFC 5952.
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1);
}
