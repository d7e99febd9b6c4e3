import { FRAME_PAYLOAD_MAX, FrameType, PROCESS_NAME_LENGTH, ProbeNumber, SLOT_COUNT } from './constants.js';
import { structs } from './layout.js';
import {
  type AddressPrefixSpec,
  checkCount,
  checkInteger,
  checkSlotSpec,
  type SlotSpec,
  SlotSpecError,
} from './slot-spec.js';

/** The whole FRAME_CONFIGURE, header included. Throws SlotSpecError. */
export function encodeConfigure(revision: number, slots: readonly SlotSpec[]): Buffer {
  checkInteger('revision', revision, 0, 0xffffffff);
  checkCount('slots', slots.length, SLOT_COUNT);
  const taken = new Set<number>();
  for (const spec of slots) {
    checkSlotSpec(spec);
    if (taken.has(spec.slot)) throw new SlotSpecError('slot', `${spec.slot} is given twice`);
    taken.add(spec.slot);
  }

  const header = structs.frame_header;
  const length = configurePayloadSize(slots);
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

/** Bytes that these slots need; more than FRAME_PAYLOAD_MAX the probe does not take. 64 slots with full lists of names need twice that. */
export function configurePayloadSize(slots: readonly SlotSpec[]): number {
  return slots.reduce<number>((sum, spec) => sum + slotSize(spec), structs.configure_header.size);
}

function slotSize(spec: SlotSpec): number {
  const numbers =
    spec.remotePorts.length +
    spec.localPorts.length +
    spec.dnsPorts.length +
    spec.queryTypes.length +
    spec.responseCodes.length;
  const prefixes = spec.remotePrefixes.length + spec.dnsServerPrefixes.length;
  const names = [...spec.queryNames, ...spec.queryNameSuffixes];
  return (
    structs.configure_slot.size +
    2 * numbers +
    structs.address_prefix.size * prefixes +
    PROCESS_NAME_LENGTH * spec.processNames.length +
    names.reduce((sum, name) => sum + 1 + name.length, 0)
  );
}

function writeSlot(frame: Buffer, start: number, spec: SlotSpec): number {
  const { fields, size } = structs.configure_slot;
  frame.writeBigUInt64LE(spec.minLatencyNs, start + fields.min_latency_ns.offset);
  frame.writeUInt32LE(spec.sampleThreshold, start + fields.sample_threshold.offset);
  frame.writeUInt8(spec.slot, start + fields.slot.offset);
  frame.writeUInt8(bits(spec.probes.map((probe) => ProbeNumber[probe])), start + fields.probes.offset);
  frame.writeUInt8(bits(spec.roles), start + fields.roles.offset);
  frame.writeUInt8(bits(spec.dnsSides), start + fields.dns_sides.offset);
  frame.writeUInt16LE(bits(spec.outcomes), start + fields.outcomes.offset);
  frame.writeUInt16LE(bits(spec.dnsOutcomes), start + fields.dns_outcomes.offset);
  frame.writeUInt16LE(spec.remotePorts.length, start + fields.remote_port_count.offset);
  frame.writeUInt16LE(spec.localPorts.length, start + fields.local_port_count.offset);
  frame.writeUInt16LE(spec.remotePrefixes.length, start + fields.remote_prefix_count.offset);
  frame.writeUInt16LE(spec.processNames.length, start + fields.process_name_count.offset);
  frame.writeUInt16LE(spec.dnsPorts.length, start + fields.dns_port_count.offset);
  frame.writeUInt16LE(spec.dnsServerPrefixes.length, start + fields.dns_server_prefix_count.offset);
  frame.writeUInt16LE(spec.queryTypes.length, start + fields.query_type_count.offset);
  frame.writeUInt16LE(spec.responseCodes.length, start + fields.response_code_count.offset);
  frame.writeUInt16LE(spec.queryNames.length, start + fields.query_name_count.offset);
  frame.writeUInt16LE(spec.queryNameSuffixes.length, start + fields.query_name_suffix_count.offset);
  return writeLists(frame, start + size, spec);
}

/** In the order of their counts. */
function writeLists(frame: Buffer, start: number, spec: SlotSpec): number {
  let position = writeNumbers(frame, start, spec.remotePorts);
  position = writeNumbers(frame, position, spec.localPorts);
  for (const prefix of spec.remotePrefixes) position = writePrefix(frame, position, prefix);
  for (const name of spec.processNames) {
    frame.write(name, position, 'utf8');
    position += PROCESS_NAME_LENGTH;
  }
  position = writeNumbers(frame, position, spec.dnsPorts);
  for (const prefix of spec.dnsServerPrefixes) position = writePrefix(frame, position, prefix);
  position = writeNumbers(frame, position, spec.queryTypes);
  position = writeNumbers(frame, position, spec.responseCodes);
  for (const name of spec.queryNames) position = writeQueryName(frame, position, name);
  for (const name of spec.queryNameSuffixes) position = writeQueryName(frame, position, name);
  return position;
}

function writeNumbers(frame: Buffer, start: number, values: readonly number[]): number {
  return values.reduce((position, value) => frame.writeUInt16LE(value, position), start);
}

function writeQueryName(frame: Buffer, start: number, name: string): number {
  const position = frame.writeUInt8(name.length, start);
  return position + frame.write(name, position, 'latin1');
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
