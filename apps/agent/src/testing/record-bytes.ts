import { structs } from '@synscope/probe-wire';

const field = structs.handshake_record.fields;

/** A handshake_record in terms of the C struct; what is left out is zero. */
export interface RecordValues {
  readonly observedNs?: bigint;
  readonly slots?: bigint;
  readonly latencyNs?: bigint;
  readonly acceptWaitNs?: bigint;
  readonly cgroupId?: bigint;
  readonly localAddress?: Uint8Array;
  readonly remoteAddress?: Uint8Array;
  readonly revision?: number;
  readonly clientIsn?: number;
  readonly serverIsn?: number;
  readonly srttUs?: number;
  readonly netns?: number;
  readonly pid?: number;
  readonly localPort?: number;
  readonly remotePort?: number;
  readonly synRetransmits?: number;
  readonly synAckRetransmits?: number;
  readonly flags?: number;
  readonly role?: number;
  readonly outcome?: number;
  readonly processName?: Uint8Array;
}

export function recordBytes(values: RecordValues): Buffer {
  const bytes = Buffer.alloc(structs.handshake_record.size);
  bytes.writeBigUInt64LE(values.observedNs ?? 0n, field.observed_ns.offset);
  bytes.writeBigUInt64LE(values.slots ?? 0n, field.slots.offset);
  bytes.writeBigUInt64LE(values.latencyNs ?? 0n, field.latency_ns.offset);
  bytes.writeBigUInt64LE(values.acceptWaitNs ?? 0n, field.accept_wait_ns.offset);
  bytes.writeBigUInt64LE(values.cgroupId ?? 0n, field.cgroup_id.offset);
  bytes.set(values.localAddress ?? [], field.local_address.offset);
  bytes.set(values.remoteAddress ?? [], field.remote_address.offset);
  bytes.writeUInt32LE(values.revision ?? 0, field.revision.offset);
  bytes.writeUInt32LE(values.clientIsn ?? 0, field.client_isn.offset);
  bytes.writeUInt32LE(values.serverIsn ?? 0, field.server_isn.offset);
  bytes.writeUInt32LE(values.srttUs ?? 0, field.srtt_us.offset);
  bytes.writeUInt32LE(values.netns ?? 0, field.netns.offset);
  bytes.writeUInt32LE(values.pid ?? 0, field.pid.offset);
  bytes.writeUInt16LE(values.localPort ?? 0, field.local_port.offset);
  bytes.writeUInt16LE(values.remotePort ?? 0, field.remote_port.offset);
  bytes.writeUInt16LE(values.synRetransmits ?? 0, field.syn_retransmits.offset);
  bytes.writeUInt16LE(values.synAckRetransmits ?? 0, field.syn_ack_retransmits.offset);
  bytes.writeUInt16LE(values.flags ?? 0, field.flags.offset);
  bytes.writeUInt8(values.role ?? 1, field.role.offset);
  bytes.writeUInt8(values.outcome ?? 1, field.outcome.offset);
  bytes.set(values.processName ?? [], field.process_name.offset);
  return bytes;
}

/** The payload of a FRAME_HANDSHAKES. */
export function handshakesPayload(wallOffsetNs: bigint, records: readonly RecordValues[]): Buffer {
  const header = Buffer.alloc(structs.handshakes_header.size);
  header.writeBigInt64LE(wallOffsetNs, 0);
  return Buffer.concat([header, ...records.map(recordBytes)]);
}
