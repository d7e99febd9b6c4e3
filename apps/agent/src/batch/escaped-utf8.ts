import { isUtf8 } from 'node:buffer';

/**
 * Text of bytes that a process chose: what is valid UTF-8 stays, every other byte becomes `\xNN`, so that the result can travel as a
 * protobuf string and the bytes can still be told. Control characters stay; outputs escape them.
 */
export function escapedUtf8(bytes: Buffer): string {
  if (isUtf8(bytes)) return bytes.toString('utf8');
  let text = '';
  let at = 0;
  while (at < bytes.length) {
    const length = sequenceLength(bytes, at);
    if (length > 0) {
      text += bytes.toString('utf8', at, at + length);
      at += length;
    } else {
      text += `\\x${(bytes[at] as number).toString(16).padStart(2, '0')}`;
      at += 1;
    }
  }
  return text;
}

/** Length of the valid sequence that starts here; 0 if none does. */
function sequenceLength(bytes: Buffer, at: number): number {
  const lead = bytes[at] as number;
  const length = lead < 0x80 ? 1 : lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  return at + length <= bytes.length && isUtf8(bytes.subarray(at, at + length)) ? length : 0;
}
