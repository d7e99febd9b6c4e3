import { type FieldLayout, type StructLayout, structs } from '@synscope/probe-wire';

/** A field of a C struct: integers as they are, arrays as bytes. What is left out is zero. */
type Values<Layout extends StructLayout, Bytes extends string> = {
  readonly [Name in Exclude<keyof Layout['fields'], Bytes | 'reserved' | 'name_length'>]?: bigint | number;
} & { readonly [Name in Bytes & keyof Layout['fields']]?: Uint8Array };

export type HandshakeValues = Values<
  typeof structs.handshake_record,
  'local_address' | 'remote_address' | 'process_name'
>;
export type DnsQueryValues = Values<
  typeof structs.dns_query_record,
  'client_address' | 'server_address' | 'process_name' | 'name'
>;
export type NameLookupValues = Values<typeof structs.name_lookup_record, 'process_name' | 'name'>;
export type ReceiveQueueDropValues = Values<
  typeof structs.receive_queue_drop_record,
  'local_address' | 'process_name'
>;

export type ListenerValues = Values<typeof structs.listener_record, 'local_address' | 'process_name'>;

/** The payload of a FRAME_HANDSHAKES; role and outcome are 1 if they are left out. */
export function handshakesPayload(wallOffsetNs: bigint, records: readonly HandshakeValues[]): Buffer {
  const layout = structs.handshake_record;
  return payload(
    wallOffsetNs,
    records.map((values) => recordBytes(layout, { role: 1, outcome: 1, ...values })),
  );
}

/** The payload of a FRAME_DNS_QUERIES; a name that is left out is the root, side, transport and outcome are 1. */
export function dnsQueriesPayload(wallOffsetNs: bigint, records: readonly DnsQueryValues[]): Buffer {
  const layout = structs.dns_query_record;
  const usual = { side: 1, transport: 1, outcome: 1, name: Buffer.of(0) };
  return payload(
    wallOffsetNs,
    records.map((values) => recordBytes(layout, { ...usual, ...values })),
  );
}

/** The payload of a FRAME_NAME_LOOKUPS; a name that is left out is "localhost". */
export function nameLookupsPayload(wallOffsetNs: bigint, records: readonly NameLookupValues[]): Buffer {
  const layout = structs.name_lookup_record;
  return payload(
    wallOffsetNs,
    records.map((values) => recordBytes(layout, { name: Buffer.from('localhost'), ...values })),
  );
}

/** The payload of a FRAME_RECEIVE_QUEUE_DROPS; cause and side are 1 if they are left out. */
export function receiveQueueDropsPayload(
  wallOffsetNs: bigint,
  records: readonly ReceiveQueueDropValues[],
): Buffer {
  const layout = structs.receive_queue_drop_record;
  return payload(
    wallOffsetNs,
    records.map((values) => recordBytes(layout, { cause: 1, side: 1, ...values })),
  );
}

/** The payload of a FRAME_LISTENERS. */
export function listenersPayload(wallOffsetNs: bigint, records: readonly ListenerValues[]): Buffer {
  const layout = structs.listener_record;
  return payload(
    wallOffsetNs,
    records.map((values) => recordBytes(layout, values)),
  );
}

/** A name such as "www.example.com" in wire form (RFC 1035 §3.1). */
export function wireName(name: string): Buffer {
  const labels = name === '' ? [] : name.split('.');
  return Buffer.concat([
    ...labels.map((label) => Buffer.concat([Buffer.of(label.length), Buffer.from(label, 'latin1')])),
    Buffer.of(0),
  ]);
}

function payload(wallOffsetNs: bigint, records: readonly Buffer[]): Buffer {
  const header = Buffer.alloc(structs.records_header.size);
  header.writeBigInt64LE(wallOffsetNs, 0);
  return Buffer.concat([header, ...records]);
}

type AnyValues = Readonly<Record<string, bigint | number | Uint8Array | undefined>>;

function recordBytes(layout: StructLayout, values: AnyValues): Buffer {
  const bytes = Buffer.alloc(layout.size);
  for (const [field, value] of Object.entries(values)) {
    if (value !== undefined) writeField(bytes, layout.fields[field] as FieldLayout, value);
  }
  const { name, name_length: nameLength } = layout.fields;
  if (name === undefined || nameLength === undefined) return bytes;
  const { length } = values['name'] as Uint8Array;
  bytes.writeUInt8(length, nameLength.offset);
  return bytes.subarray(0, Math.ceil((name.offset + length) / 8) * 8);
}

function writeField(bytes: Buffer, { offset, size }: FieldLayout, value: bigint | number | Uint8Array): void {
  if (value instanceof Uint8Array) bytes.set(value, offset);
  else if (size === 8) bytes.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value)), offset);
  else bytes.writeUIntLE(Number(BigInt.asUintN(size * 8, BigInt(value))), offset, size);
}
