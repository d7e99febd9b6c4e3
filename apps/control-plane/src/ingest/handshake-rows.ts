import { type BatchHash, hashOfBatch } from '../record-storage/record-id.js';
import type { BatchReader } from './batch-reader.js';
import { BufferPool } from './buffer-pool.js';
import type { NumberColumns } from './handshake-columns.js';

/** The columns of COPY, in the order in which the rows below are written. */
export const HANDSHAKE_COPY_COLUMNS = [
  'observed_at',
  'latency_us',
  'accept_wait_us',
  'client_isn',
  'server_isn',
  'netns',
  'cgroup_id',
  'srtt_us',
  'pid',
  'local_port',
  'remote_port',
  'role',
  'outcome',
  'syn_retransmits',
  'syn_ack_retransmits',
  'flags',
  'id',
  'agent_id',
  'local_address',
  'remote_address',
  'process_name',
  'container_id',
  'session_ids',
] as const;

/** Signature, flags and the length of the header's extension: https://www.postgresql.org/docs/18/sql-copy.html#SQL-COPY-BINARY-FORMAT */
export const COPY_HEADER: Buffer = Buffer.from('PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0', 'latin1');
export const COPY_TRAILER: Buffer = Buffer.from([0xff, 0xff]);

/** 2000-01-01T00:00:00Z, from which Postgres counts, in microseconds since the Unix epoch. */
const POSTGRES_EPOCH_US = 946_684_800_000_000;
const MICROSECONDS_PER_HOUR = 3_600_000_000;
const TWO_TO_32 = 2 ** 32;
const UUID_OID = 2950;
const SQL_NULL: Uint8Array = Uint8Array.of(0xff, 0xff, 0xff, 0xff);

/** Count of fields, 23 lengths, 7 × 8 + 4 × 4 + 5 × 2 bytes of numbers, two UUIDs, two IPv6 addresses. */
const FIXED_ROW_BYTES = 2 + 23 * 4 + 7 * 8 + 4 * 4 + 5 * 2 + 2 * 16 + 2 * 20;

/** Families of inet's binary form: PGSQL_AF_INET and PGSQL_AF_INET6 of src/include/utils/inet.h. Then bits, is_cidr = 0, bytes. */
const IPV4_PREFIX = 0x02200004;
const IPV6_PREFIX = 0x03800010;

/** Rows of about 100 batches. */
const IDLE_BYTES = 32 * 1024 * 1024;

export interface HandshakeRows {
  /** Rows of COPY's binary form, without header and trailer. */
  readonly bytes: Buffer;
  readonly count: number;
  readonly firstObservedAtUs: number;
  readonly lastObservedAtUs: number;
  /** Hours since the Unix epoch that the rows lie in: each has its own partition. */
  readonly hours: readonly number[];
}

/** Writes the batch that a reader holds as rows of COPY's binary form. Its buffer grows to the largest batch and is used again. */
export class HandshakeRowWriter {
  #buffer = Buffer.alloc(512 * 1024);
  #view = viewOf(this.#buffer);
  readonly #pool = new BufferPool(IDLE_BYTES);

  write(batch: BatchReader, agentId: Uint8Array, bootId: Uint8Array): HandshakeRows {
    // The index columns are plus one, and 0 is null.
    const processNames = [SQL_NULL, ...batch.processNames.map(encodeField)];
    const containerIds = [SQL_NULL, ...batch.containerIds.map(encodeField)];
    const sessionSets = batch.sessionSets.map(encodeSessionSet);
    const longestRow = FIXED_ROW_BYTES + longest(processNames) + longest(containerIds) + longest(sessionSets);
    const agent = words(agentId);
    const hash = hashOfBatch(agentId, bootId, batch.seq);
    const { columns, rowCount, baseObservedAtUs } = batch;
    const deltas = columns.observedAtDelta.values;
    const local = viewOf(batch.localAddress);
    const remote = viewOf(batch.remoteAddress);
    const processNameIndex = columns.processNameIndexPlusOne.values;
    const containerIdIndex = columns.containerIdIndexPlusOne.values;
    const sessionSetIndex = columns.sessionSetIndex.values;

    let first = Number.POSITIVE_INFINITY;
    let last = Number.NEGATIVE_INFINITY;
    const hours = new Set<number>();
    let previousHour = -1;
    let at = 0;
    for (let row = 0; row < rowCount; row++) {
      this.#reserve(at, longestRow);
      const view = this.#view;
      const buffer = this.#buffer;
      const observedAtUs = baseObservedAtUs + (deltas[row] as number);
      if (observedAtUs < first) first = observedAtUs;
      if (observedAtUs > last) last = observedAtUs;
      const hour = Math.floor(observedAtUs / MICROSECONDS_PER_HOUR);
      if (hour !== previousHour) {
        hours.add(hour);
        previousHour = hour;
      }
      at = putNumbers(view, at, columns, row, observedAtUs);
      at = putRecordId(view, at, observedAtUs, hash, row);
      at = putUuid(view, at, agent);
      at = putAddress(view, at, local, row * 16);
      at = putAddress(view, at, remote, row * 16);
      at = putField(buffer, at, processNames[processNameIndex[row] as number] as Uint8Array);
      at = putField(buffer, at, containerIds[containerIdIndex[row] as number] as Uint8Array);
      at = putField(buffer, at, sessionSets[sessionSetIndex[row] as number] as Uint8Array);
    }
    return {
      bytes: this.#pool.copyOf(this.#buffer.subarray(0, at)),
      count: rowCount,
      firstObservedAtUs: first,
      lastObservedAtUs: last,
      hours: [...hours],
    };
  }

  /** Takes back the memory of rows that are committed. They must not be read any more. */
  recycle({ bytes }: HandshakeRows): void {
    this.#pool.recycle(bytes);
  }

  #reserve(at: number, length: number): void {
    if (at + length <= this.#buffer.length) return;
    const grown = Buffer.alloc(Math.max(this.#buffer.length * 2, at + length));
    this.#buffer.copy(grown, 0, 0, at);
    this.#buffer = grown;
    this.#view = viewOf(grown);
  }
}

// Each of these writes one field, its length in front, and answers where the next begins. They take a column and a row instead of the
// value: a number that is not a small integer would be boxed on the heap at every call that V8 does not inline.

function putNumbers(
  view: DataView,
  start: number,
  columns: NumberColumns,
  row: number,
  observedAtUs: number,
): number {
  view.setInt16(start, HANDSHAKE_COPY_COLUMNS.length);
  let at = putTimestamp(view, start + 2, observedAtUs);
  at = putInt8PlusOne(view, at, columns.latencyPlusOne.values, row);
  at = putInt8PlusOne(view, at, columns.acceptWaitPlusOne.values, row);
  at = putInt8PlusOne(view, at, columns.clientIsnPlusOne.values, row);
  at = putInt8PlusOne(view, at, columns.serverIsnPlusOne.values, row);
  at = putInt8OrNull(view, at, columns.netns.values, row);
  at = putInt8OrNull(view, at, columns.cgroupId.values, row);
  at = putInt4PlusOne(view, at, columns.srttPlusOne.values, row);
  at = putInt4OrNull(view, at, columns.pid.values, row);
  at = putInt4(view, at, columns.localPort.values, row);
  at = putInt4(view, at, columns.remotePort.values, row);
  at = putInt2(view, at, columns.role.values, row);
  at = putInt2(view, at, columns.outcome.values, row);
  at = putInt2PlusOne(view, at, columns.synRetransmitsPlusOne.values, row);
  at = putInt2PlusOne(view, at, columns.synAckRetransmitsPlusOne.values, row);
  return putInt2(view, at, columns.flags.values, row);
}

function putTimestamp(view: DataView, at: number, observedAtUs: number): number {
  const value = observedAtUs - POSTGRES_EPOCH_US;
  const high = Math.floor(value / TWO_TO_32);
  view.setInt32(at, 8);
  view.setInt32(at + 4, high);
  view.setUint32(at + 8, value - high * TWO_TO_32);
  return at + 12;
}

function putInt8PlusOne(view: DataView, at: number, values: Float64Array, row: number): number {
  const value = (values[row] as number) - 1;
  if (value < 0) return putNull(view, at);
  const high = Math.floor(value / TWO_TO_32);
  view.setInt32(at, 8);
  view.setInt32(at + 4, high);
  view.setUint32(at + 8, value - high * TWO_TO_32);
  return at + 12;
}

function putInt8OrNull(view: DataView, at: number, values: Float64Array, row: number): number {
  const value = values[row] as number;
  if (value === 0) return putNull(view, at);
  const high = Math.floor(value / TWO_TO_32);
  view.setInt32(at, 8);
  view.setInt32(at + 4, high);
  view.setUint32(at + 8, value - high * TWO_TO_32);
  return at + 12;
}

function putInt4(view: DataView, at: number, values: Float64Array, row: number): number {
  view.setInt32(at, 4);
  view.setInt32(at + 4, values[row] as number);
  return at + 8;
}

function putInt4PlusOne(view: DataView, at: number, values: Float64Array, row: number): number {
  const value = (values[row] as number) - 1;
  if (value < 0) return putNull(view, at);
  view.setInt32(at, 4);
  view.setInt32(at + 4, value);
  return at + 8;
}

function putInt4OrNull(view: DataView, at: number, values: Float64Array, row: number): number {
  return values[row] === 0 ? putNull(view, at) : putInt4(view, at, values, row);
}

function putInt2(view: DataView, at: number, values: Float64Array, row: number): number {
  view.setInt32(at, 2);
  view.setInt16(at + 4, values[row] as number);
  return at + 6;
}

function putInt2PlusOne(view: DataView, at: number, values: Float64Array, row: number): number {
  const value = (values[row] as number) - 1;
  if (value < 0) return putNull(view, at);
  view.setInt32(at, 2);
  view.setInt16(at + 4, value);
  return at + 6;
}

function putNull(view: DataView, at: number): number {
  view.setInt32(at, -1);
  return at + 4;
}

function putRecordId(view: DataView, at: number, observedAtUs: number, hash: BatchHash, row: number): number {
  const milliseconds = Math.floor(observedAtUs / 1_000);
  const high = Math.floor(milliseconds / 65_536);
  view.setInt32(at, 16);
  view.setUint32(at + 4, high);
  view.setUint16(at + 8, milliseconds - high * 65_536);
  view.setUint16(at + 10, 0x7000 + (observedAtUs - milliseconds * 1_000));
  view.setUint32(at + 12, hash.high);
  view.setUint32(at + 16, hash.low + row);
  return at + 20;
}

function putUuid(view: DataView, at: number, uuid: readonly number[]): number {
  view.setInt32(at, 16);
  view.setUint32(at + 4, uuid[0] as number);
  view.setUint32(at + 8, uuid[1] as number);
  view.setUint32(at + 12, uuid[2] as number);
  view.setUint32(at + 16, uuid[3] as number);
  return at + 20;
}

/** From 16 bytes in network order to inet; ::ffff:a.b.c.d is stored as IPv4. */
function putAddress(view: DataView, at: number, source: DataView, from: number): number {
  const a = source.getUint32(from);
  const b = source.getUint32(from + 4);
  const c = source.getUint32(from + 8);
  const d = source.getUint32(from + 12);
  if (a === 0 && b === 0 && c === 0xffff) {
    view.setInt32(at, 8);
    view.setUint32(at + 4, IPV4_PREFIX);
    view.setUint32(at + 8, d);
    return at + 12;
  }
  view.setInt32(at, 20);
  view.setUint32(at + 4, IPV6_PREFIX);
  view.setUint32(at + 8, a);
  view.setUint32(at + 12, b);
  view.setUint32(at + 16, c);
  view.setUint32(at + 20, d);
  return at + 24;
}

/** A field encoded beforehand. They are short: a loop beats Uint8Array.set. */
function putField(buffer: Uint8Array, at: number, field: Uint8Array): number {
  const { length } = field;
  for (let i = 0; i < length; i++) buffer[at + i] = field[i] as number;
  return at + length;
}

function encodeField(text: Uint8Array): Uint8Array {
  const field = new Uint8Array(4 + text.length);
  new DataView(field.buffer).setInt32(0, text.length);
  field.set(text, 4);
  return field;
}

/** uuid[]: dimensions, has-null flag, element type, size and lower bound of the dimension, elements with their length (array_recv). */
function encodeSessionSet(ids: readonly Uint8Array[]): Uint8Array {
  const field = new Uint8Array(4 + 20 + ids.length * 20);
  const view = new DataView(field.buffer);
  [field.length - 4, 1, 0, UUID_OID, ids.length, 1].forEach((word, index) => {
    view.setInt32(index * 4, word);
  });
  ids.forEach((id, index) => {
    view.setInt32(24 + index * 20, 16);
    field.set(id, 28 + index * 20);
  });
  return field;
}

function longest(fields: readonly Uint8Array[]): number {
  return fields.reduce((length, field) => Math.max(length, field.length), SQL_NULL.length);
}

function words(uuid: Uint8Array): number[] {
  const view = viewOf(uuid);
  return [view.getUint32(0), view.getUint32(4), view.getUint32(8), view.getUint32(12)];
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
