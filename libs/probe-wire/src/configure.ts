import {
  FRAME_PAYLOAD_MAX,
  FrameType,
  OUTCOME_LAST,
  PROCESS_NAME_LENGTH,
  SLOT_COUNT,
  SLOT_PORTS_MAX,
  SLOT_PREFIXES_MAX,
  SLOT_PROCESS_NAMES_MAX,
  structs,
} from './layout.js';

/** An address of 4 or 16 bytes in network order, and how many of its leading bits count (0–32 or 0–128). */
export interface AddressPrefixSpec {
  readonly address: Uint8Array;
  readonly length: number;
}

/** One session slot as the kernel is to filter it. Fields are ANDed, values of a list ORed, an empty list matches all. */
export interface SlotSpec {
  /** 0–63. */
  readonly slot: number;
  /** Nanoseconds. */
  readonly minLatencyNs: bigint;
  /** 0–0xffffffff; the latter keeps all. */
  readonly sampleThreshold: number;
  /** 1 = client, 2 = server. */
  readonly roles: readonly number[];
  /** 1–6, enum handshake_outcome. */
  readonly outcomes: readonly number[];
  /** 1–65535, at most 64. */
  readonly remotePorts: readonly number[];
  readonly localPorts: readonly number[];
  /** At most 64. */
  readonly remotePrefixes: readonly AddressPrefixSpec[];
  /** At most 15 bytes of UTF-8 each, at most 32. */
  readonly processNames: readonly string[];
}

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

/** Throws SlotSpecError for the first field that is out of range. */
export function checkSlotSpec(spec: SlotSpec): void {
  integer('slot', spec.slot, 0, SLOT_COUNT - 1);
  if (spec.minLatencyNs < 0n || spec.minLatencyNs >= 1n << 64n) {
    throw new SlotSpecError('minLatencyNs', `is ${spec.minLatencyNs}, not within 0–2^64−1`);
  }
  integer('sampleThreshold', spec.sampleThreshold, 0, 0xffffffff);
  spec.roles.forEach((role, i) => {
    integer(`roles[${i}]`, role, 1, 2);
  });
  spec.outcomes.forEach((outcome, i) => {
    integer(`outcomes[${i}]`, outcome, 1, OUTCOME_LAST);
  });
  checkPorts('remotePorts', spec.remotePorts);
  checkPorts('localPorts', spec.localPorts);
  atMost('remotePrefixes', spec.remotePrefixes.length, SLOT_PREFIXES_MAX);
  spec.remotePrefixes.forEach((prefix, i) => {
    checkPrefix(`remotePrefixes[${i}]`, prefix);
  });
  atMost('processNames', spec.processNames.length, SLOT_PROCESS_NAMES_MAX);
  spec.processNames.forEach((name, i) => {
    checkProcessName(`processNames[${i}]`, name);
  });
}

/** The whole FRAME_CONFIGURE, header included. Throws SlotSpecError. */
export function encodeConfigure(revision: number, slots: readonly SlotSpec[]): Buffer {
  integer('revision', revision, 0, 0xffffffff);
  atMost('slots', slots.length, SLOT_COUNT);
  const taken = new Set<number>();
  for (const spec of slots) {
    checkSlotSpec(spec);
    if (taken.has(spec.slot)) throw new SlotSpecError('slot', `${spec.slot} is given twice`);
    taken.add(spec.slot);
  }

  const header = structs.frame_header;
  const length = slots.reduce<number>((sum, spec) => sum + slotSize(spec), structs.configure_header.size);
  if (length > FRAME_PAYLOAD_MAX) throw new SlotSpecError('slots', `need ${length} bytes, too long a frame`);
  const frame = Buffer.alloc(header.size + length);
  frame.writeUInt32LE(length, header.fields.length.offset);
  frame.writeUInt16LE(FrameType.configure, header.fields.type.offset);
  frame.writeUInt32LE(revision, header.size + structs.configure_header.fields.revision.offset);
  frame.writeUInt32LE(slots.length, header.size + structs.configure_header.fields.slot_count.offset);
  let position = header.size + structs.configure_header.size;
  for (const spec of slots) position = writeSlot(frame, position, spec);
  return frame;
}

function slotSize(spec: SlotSpec): number {
  return (
    structs.configure_slot.size +
    2 * (spec.remotePorts.length + spec.localPorts.length) +
    structs.address_prefix.size * spec.remotePrefixes.length +
    PROCESS_NAME_LENGTH * spec.processNames.length
  );
}

function writeSlot(frame: Buffer, start: number, spec: SlotSpec): number {
  const { fields, size } = structs.configure_slot;
  frame.writeBigUInt64LE(spec.minLatencyNs, start + fields.min_latency_ns.offset);
  frame.writeUInt32LE(spec.sampleThreshold, start + fields.sample_threshold.offset);
  frame.writeUInt8(spec.slot, start + fields.slot.offset);
  frame.writeUInt8(bits(spec.roles), start + fields.roles.offset);
  frame.writeUInt16LE(bits(spec.outcomes), start + fields.outcomes.offset);
  frame.writeUInt16LE(spec.remotePorts.length, start + fields.remote_port_count.offset);
  frame.writeUInt16LE(spec.localPorts.length, start + fields.local_port_count.offset);
  frame.writeUInt16LE(spec.remotePrefixes.length, start + fields.remote_prefix_count.offset);
  frame.writeUInt16LE(spec.processNames.length, start + fields.process_name_count.offset);
  let position = start + size;
  for (const port of spec.remotePorts) position = frame.writeUInt16LE(port, position);
  for (const port of spec.localPorts) position = frame.writeUInt16LE(port, position);
  for (const prefix of spec.remotePrefixes) position = writePrefix(frame, position, prefix);
  for (const name of spec.processNames) {
    frame.write(name, position, 'utf8');
    position += PROCESS_NAME_LENGTH;
  }
  return position;
}

function writePrefix(frame: Buffer, start: number, prefix: AddressPrefixSpec): number {
  const { fields, size } = structs.address_prefix;
  const address = start + fields.address.offset;
  if (prefix.address.length === 4) {
    // IPv4 as ::ffff:a.b.c.d, whose first 96 bits are fixed.
    frame.writeUInt8(prefix.length + 96, start + fields.length.offset);
    frame.writeUInt16BE(0xffff, address + 10);
    frame.set(prefix.address, address + 12);
  } else {
    frame.writeUInt8(prefix.length, start + fields.length.offset);
    frame.set(prefix.address, address);
  }
  return start + size;
}

/** Bit (value − 1) for each value. */
function bits(values: readonly number[]): number {
  return values.reduce((set, value) => set | (1 << (value - 1)), 0);
}

function checkPorts(field: string, ports: readonly number[]): void {
  atMost(field, ports.length, SLOT_PORTS_MAX);
  ports.forEach((port, i) => {
    integer(`${field}[${i}]`, port, 1, 65535);
  });
}

function checkPrefix(field: string, prefix: AddressPrefixSpec): void {
  const bytes = prefix.address.length;
  if (bytes !== 4 && bytes !== 16)
    throw new SlotSpecError(`${field}.address`, `has ${bytes} bytes, not 4 or 16`);
  integer(`${field}.length`, prefix.length, 0, bytes * 8);
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

function integer(field: string, value: number, least: number, most: number): void {
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new SlotSpecError(field, `is ${value}, not an integer within ${least}–${most}`);
  }
}

function atMost(field: string, length: number, most: number): void {
  if (length > most) throw new SlotSpecError(field, `has ${length} entries; at most ${most} fit`);
}
