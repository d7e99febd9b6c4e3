import {
  DNS_OUTCOME_LAST,
  OUTCOME_LAST,
  PROBE_NAMES,
  PROCESS_NAME_LENGTH,
  type ProbeName,
  SLOT_COUNT,
  SLOT_DNS_PORTS_MAX,
  SLOT_PORTS_MAX,
  SLOT_PREFIXES_MAX,
  SLOT_PROCESS_NAMES_MAX,
  SLOT_QUERY_NAMES_MAX,
  SLOT_QUERY_TYPES_MAX,
  SLOT_RESPONSE_CODES_MAX,
} from './constants.js';

/** An address of 4 or 16 bytes in network order, and how many of its leading bits count (0–32 or 0–128). */
export interface AddressPrefixSpec {
  readonly address: Uint8Array;
  readonly length: number;
}

/** What the kernel lets through. Fields are ANDed, values of a list ORed, an empty list matches all. */
export interface SlotFilter {
  /** Nanoseconds. */
  readonly minLatencyNs: bigint;
  /** 0–0xffffffff; the latter keeps all. */
  readonly sampleThreshold: number;
  /** At most 15 bytes of UTF-8 each, at most 32. */
  readonly processNames: readonly string[];

  /** tcp_handshake. 1 = client, 2 = server. */
  readonly roles: readonly number[];
  /** 1–6, enum handshake_outcome. */
  readonly outcomes: readonly number[];
  /** 1–65535, at most 64. */
  readonly remotePorts: readonly number[];
  /** Also listener. */
  readonly localPorts: readonly number[];
  /** At most 64. */
  readonly remotePrefixes: readonly AddressPrefixSpec[];

  /** dns. 1 = client, 2 = resolver. */
  readonly dnsSides: readonly number[];
  /** 1–3, enum dns_outcome. */
  readonly dnsOutcomes: readonly number[];
  /** Where DNS is spoken, 1–65535, at most 8; empty: 53. */
  readonly dnsPorts: readonly number[];
  /** The resolver's address; at most 64. */
  readonly dnsServerPrefixes: readonly AddressPrefixSpec[];
  /** 0–65535, at most 32. */
  readonly queryTypes: readonly number[];
  /** 0–4095, at most 32. */
  readonly responseCodes: readonly number[];

  /** dns, name_lookup. Lower case, labels of 1–63 letters, digits, "-" and "_", at most 253 bytes each, at most 64. */
  readonly queryNames: readonly string[];
  /** As `queryNames`; each matches the name itself and everything below it. */
  readonly queryNameSuffixes: readonly string[];
}

/** One session slot: which probes fill it, and with what. */
export interface SlotSpec extends SlotFilter {
  /** 0–63. */
  readonly slot: number;
  /** At least one. */
  readonly probes: readonly ProbeName[];
}

/** Lets everything through. */
export const MATCH_ALL: SlotFilter = {
  minLatencyNs: 0n,
  sampleThreshold: 0xffffffff,
  processNames: [],
  roles: [],
  outcomes: [],
  remotePorts: [],
  localPorts: [],
  remotePrefixes: [],
  dnsSides: [],
  dnsOutcomes: [],
  dnsPorts: [],
  dnsServerPrefixes: [],
  queryTypes: [],
  responseCodes: [],
  queryNames: [],
  queryNameSuffixes: [],
};

/** A value that the kernel's filter cannot hold. `field` is its path within SlotSpec. */
export class SlotSpecError extends Error {
  override readonly name = 'SlotSpecError';
  constructor(
    readonly field: string,
    problem: string,
  ) {
    super(`${field} ${problem}`);
  }
}

/** RFC 1035 §2.3.4, without the root. */
const QUERY_NAME_MAX_BYTES = 253;
const QUERY_NAME = /^[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*$/;

/** Throws SlotSpecError for the first field that is out of range. */
export function checkSlotSpec(spec: SlotSpec): void {
  checkInteger('slot', spec.slot, 0, SLOT_COUNT - 1);
  checkProbes(spec.probes);
  if (spec.minLatencyNs < 0n || spec.minLatencyNs >= 1n << 64n) {
    throw new SlotSpecError('minLatencyNs', `is ${spec.minLatencyNs}, not within 0–2^64−1`);
  }
  checkInteger('sampleThreshold', spec.sampleThreshold, 0, 0xffffffff);
  checkList('processNames', spec.processNames, SLOT_PROCESS_NAMES_MAX, checkProcessName);

  checkEach('roles', spec.roles, within(1, 2));
  checkEach('outcomes', spec.outcomes, within(1, OUTCOME_LAST));
  checkList('remotePorts', spec.remotePorts, SLOT_PORTS_MAX, within(1, 65535));
  checkList('localPorts', spec.localPorts, SLOT_PORTS_MAX, within(1, 65535));
  checkList('remotePrefixes', spec.remotePrefixes, SLOT_PREFIXES_MAX, checkPrefix);

  checkEach('dnsSides', spec.dnsSides, within(1, 2));
  checkEach('dnsOutcomes', spec.dnsOutcomes, within(1, DNS_OUTCOME_LAST));
  checkList('dnsPorts', spec.dnsPorts, SLOT_DNS_PORTS_MAX, within(1, 65535));
  checkList('dnsServerPrefixes', spec.dnsServerPrefixes, SLOT_PREFIXES_MAX, checkPrefix);
  checkList('queryTypes', spec.queryTypes, SLOT_QUERY_TYPES_MAX, within(0, 65535));
  checkList('responseCodes', spec.responseCodes, SLOT_RESPONSE_CODES_MAX, within(0, 4095));

  checkList('queryNames', spec.queryNames, SLOT_QUERY_NAMES_MAX, checkQueryName);
  checkList('queryNameSuffixes', spec.queryNameSuffixes, SLOT_QUERY_NAMES_MAX, checkQueryName);
}

/** Throws SlotSpecError. */
export function checkInteger(field: string, value: number, least: number, most: number): void {
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new SlotSpecError(field, `is ${value}, not an integer within ${least}–${most}`);
  }
}

/** Throws SlotSpecError. */
export function checkCount(field: string, length: number, most: number): void {
  if (length > most) throw new SlotSpecError(field, `has ${length} entries; at most ${most} fit`);
}

type Check<T> = (field: string, value: T) => void;

const within =
  (least: number, most: number): Check<number> =>
  (field, value) =>
    checkInteger(field, value, least, most);

function checkEach<T>(field: string, values: readonly T[], check: Check<T>): void {
  values.forEach((value, i) => {
    check(`${field}[${i}]`, value);
  });
}

function checkList<T>(field: string, values: readonly T[], most: number, check: Check<T>): void {
  checkCount(field, values.length, most);
  checkEach(field, values, check);
}

function checkProbes(probes: readonly ProbeName[]): void {
  if (probes.length === 0) throw new SlotSpecError('probes', 'is empty; a slot needs at least one');
  checkEach('probes', probes, (field, probe) => {
    if (!PROBE_NAMES.includes(probe)) {
      throw new SlotSpecError(field, `is ${JSON.stringify(probe)}, none of ${PROBE_NAMES.join(', ')}`);
    }
  });
}

function checkPrefix(field: string, prefix: AddressPrefixSpec): void {
  const bytes = prefix.address.length;
  if (bytes !== 4 && bytes !== 16)
    throw new SlotSpecError(`${field}.address`, `has ${bytes} bytes, not 4 or 16`);
  checkInteger(`${field}.length`, prefix.length, 0, bytes * 8);
  for (let bit = prefix.length; bit < bytes * 8; bit++) {
    if (((prefix.address[bit >> 3] as number) & (0x80 >> (bit & 7))) !== 0) {
      throw new SlotSpecError(`${field}.address`, `has bits set beyond its length of ${prefix.length}`);
    }
  }
}

function checkProcessName(field: string, name: string): void {
  const bytes = Buffer.byteLength(name);
  if (bytes < 1 || bytes >= PROCESS_NAME_LENGTH) {
    throw new SlotSpecError(field, `has ${bytes} bytes; the kernel's process names have 1–15`);
  }
  if (name.includes('\0')) throw new SlotSpecError(field, 'contains a NUL');
}

function checkQueryName(field: string, name: string): void {
  if (name.length > QUERY_NAME_MAX_BYTES) {
    throw new SlotSpecError(
      field,
      `has ${name.length} characters; a domain name has at most ${QUERY_NAME_MAX_BYTES}`,
    );
  }
  if (!QUERY_NAME.test(name)) {
    throw new SlotSpecError(
      field,
      'is no domain name in lower case: labels of 1–63 letters, digits, "-" and "_", with dots between them',
    );
  }
}
