/** A UUID as the protocol carries it: 16 bytes, big-endian (RFC 9562). As in the other direction, any version and variant counts. */
export function uuidToBytes(text: string): Uint8Array {
  return Buffer.from(text.replaceAll('-', ''), 'hex');
}

/** The text of a UUID in 16 bytes, or null if they are not one (any version and variant counts). */
export function uuidFromBytes(bytes: Uint8Array): string | null {
  if (bytes.length !== 16) return null;
  const hex = Buffer.from(bytes).toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
