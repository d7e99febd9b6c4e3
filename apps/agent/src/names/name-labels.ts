/** The longest label of RFC 1035 §2.3.4; longer ones are pointers or nothing that was ever defined. */
const LABEL_MAX_BYTES = 63;
/** What a well-formed name of 255 bytes comes to at most: 250 bytes of labels as \DDD, three dots; and one to spare. */
const QUERY_NAME_MAX_CHARACTERS = 1004;

const SPACE = 0x20;
const DOT = 0x2e;

/** Each byte as it stands in a name that an application gave: lower case; \DDD if it is not printable ASCII; a backslash doubled. */
const LOOKUP_CHARACTERS = Array.from({ length: 256 }, (_, byte) => {
  if (byte < SPACE || byte >= 0x7f) return decimal(byte);
  return byte === 0x5c ? '\\\\' : String.fromCharCode(byte).toLowerCase();
});
/** The same in a label of DNS, where a space is \032, as dig and zone files have it, and a dot is \. */
const QUERY_CHARACTERS = LOOKUP_CHARACTERS.map((text, byte) => {
  if (byte === SPACE) return decimal(byte);
  return byte === DOT ? '\\.' : text;
});

/**
 * The labels of a DNS name in wire form (RFC 1035 §3.1), each as presentation format has it; none for the root. What is no label (a pointer, a
 * length beyond the end) is shown as one last label of escaped bytes: the name comes from the network, and a record must not be lost over it.
 */
export function queryNameLabels(bytes: Buffer, start: number, end: number): string[] {
  const labels: string[] = [];
  let characters = 0;
  for (let at = start; at < end && bytes[at] !== 0; ) {
    const length = bytes[at] as number;
    const isLabel = length <= LABEL_MAX_BYTES && at + 1 + length <= end;
    const label = isLabel
      ? written(QUERY_CHARACTERS, bytes, at + 1, at + 1 + length)
      : written(QUERY_CHARACTERS, bytes, at, end, QUERY_NAME_MAX_CHARACTERS - characters);
    labels.push(label);
    characters += label.length + 1;
    at = isLabel ? at + 1 + length : end;
  }
  return labels;
}

/** The labels of a name as an application gave it to getaddrinfo(): what its dots part, without a final one. None for "." alone. */
export function lookupNameLabels(bytes: Buffer, start: number, end: number): string[] {
  const last = end > start && bytes[end - 1] === DOT ? end - 1 : end;
  return last === start ? [] : written(LOOKUP_CHARACTERS, bytes, start, last).split('.');
}

function decimal(byte: number): string {
  return `\\${String(byte).padStart(3, '0')}`;
}

function written(
  characters: readonly string[],
  bytes: Buffer,
  start: number,
  end: number,
  most = Number.POSITIVE_INFINITY,
): string {
  let text = '';
  for (let at = start; at < end; at++) {
    const character = characters[bytes[at] as number] as string;
    if (text.length + character.length > most) break;
    text += character;
  }
  return text;
}
