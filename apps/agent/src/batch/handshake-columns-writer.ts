import {
  type HandshakeCursor,
  PUBLIC_FLAGS_MASK,
  RecordFlag,
  UNKNOWN_U16,
  UNKNOWN_U32,
} from '@synscope/probe-wire';
import type { SessionSet } from '../sessions/session-set.js';
import { ByteWriter, varintSize } from './byte-writer.js';
import { ProcessNameDictionary } from './process-name-dictionary.js';

/** The container that a cgroup belongs to; null if none is known. `pid` is a hint where to look, 0 if not known. */
export type ContainerOf = (cgroupId: number, pid: number) => string | null;

const LENGTH_DELIMITED = 2;
const ADDRESS_BYTES = 16;

/** HandshakeColumns of proto/synscope/agent/v1/records.proto, by field number. */
const Field = {
  rowCount: 1,
  baseObservedAtUs: 2,
  processNames: 30,
  containerIds: 31,
  sessionSets: 32,
  sessionIds: 1,
} as const;

/**
 * Turns probe records into the protobuf wire of HandshakeColumns without an object per record: each column is written as it will be
 * sent, packed, and the columns are put behind each other at the end. The buffers are used again for the next batch.
 */
export class HandshakeColumnsWriter {
  rowCount = 0;
  /** Wall time of the earliest and the latest record, microseconds. */
  firstObservedAtUs = 0;
  lastObservedAtUs = 0;

  private readonly columns: Column[] = [];
  private readonly observedAtDelta = this.column(3);
  private readonly role = this.column(4);
  private readonly outcome = this.column(5);
  private readonly localAddress = this.column(6, ADDRESS_BYTES);
  private readonly remoteAddress = this.column(7, ADDRESS_BYTES);
  private readonly localPort = this.column(8);
  private readonly remotePort = this.column(9);
  private readonly latency = this.column(10);
  private readonly acceptWait = this.column(11);
  private readonly srtt = this.column(12);
  private readonly synRetransmits = this.column(13);
  private readonly synAckRetransmits = this.column(14);
  private readonly clientIsn = this.column(15);
  private readonly serverIsn = this.column(16);
  private readonly netns = this.column(17);
  private readonly pid = this.column(18);
  private readonly cgroupId = this.column(19);
  private readonly processName = this.column(20);
  private readonly container = this.column(21);
  private readonly sessionSet = this.column(22);
  private readonly flags = this.column(23);

  private baseObservedAtUs = 0;
  private readonly processNames: ProcessNameDictionary;
  private readonly containerIndexes = new Map<string, number>();
  private readonly containersByCgroup = new Map<number, number>();
  private readonly sessionSets = new Map<SessionSet, number>();

  constructor(
    readonly maxRows: number,
    private readonly containerOf: ContainerOf,
  ) {
    this.processNames = new ProcessNameDictionary(maxRows);
  }

  /** Adds the cursor's current record. Must not be called when `rowCount` has reached `maxRows`. */
  append(record: HandshakeCursor, sessions: SessionSet): void {
    const observedAtUs = record.observedAtUs;
    if (this.rowCount === 0) {
      this.baseObservedAtUs = observedAtUs;
      this.firstObservedAtUs = observedAtUs;
      this.lastObservedAtUs = observedAtUs;
    } else if (observedAtUs < this.firstObservedAtUs) {
      this.firstObservedAtUs = observedAtUs;
    } else if (observedAtUs > this.lastObservedAtUs) {
      this.lastObservedAtUs = observedAtUs;
    }
    this.rowCount++;

    this.observedAtDelta.zigzag(observedAtUs - this.baseObservedAtUs);
    this.role.varint(record.role);
    this.outcome.varint(record.outcome);
    const { bytes, localAddressPosition, remoteAddressPosition } = record;
    this.localAddress.copy(bytes, localAddressPosition, localAddressPosition + ADDRESS_BYTES);
    this.remoteAddress.copy(bytes, remoteAddressPosition, remoteAddressPosition + ADDRESS_BYTES);
    this.localPort.varint(record.localPort);
    this.remotePort.varint(record.remotePort);
    // −1 stands for "not measured", which is 0 on this wire.
    this.latency.varint(record.latencyUs + 1);
    this.acceptWait.varint(record.acceptWaitUs + 1);
    this.srtt.varint(plusOne(record.srttUs, UNKNOWN_U32));
    this.synRetransmits.varint(plusOne(record.synRetransmits, UNKNOWN_U16));
    this.synAckRetransmits.varint(plusOne(record.synAckRetransmits, UNKNOWN_U16));
    const flags = record.flags;
    this.clientIsn.varint((flags & RecordFlag.clientIsnKnown) === 0 ? 0 : record.clientIsn + 1);
    this.serverIsn.varint((flags & RecordFlag.serverIsnKnown) === 0 ? 0 : record.serverIsn + 1);
    this.netns.varint(record.netns);
    const pid = record.pid;
    this.pid.varint(pid);
    const cgroupIdLow = record.cgroupIdLow;
    const cgroupIdHigh = record.cgroupIdHigh;
    this.cgroupId.varint64(cgroupIdLow, cgroupIdHigh);
    this.processName.varint(this.processNames.indexPlusOne(bytes, record.processNamePosition));
    this.container.varint(this.containerIndexPlusOne(cgroupIdHigh * 4294967296 + cgroupIdLow, pid));
    this.sessionSet.varint(this.sessionSetIndex(sessions));
    this.flags.varint(flags & PUBLIC_FLAGS_MASK);
  }

  /** Bytes that `writeTo` will add. */
  get encodedSize(): number {
    let size = tagSize(Field.rowCount) + varintSize(this.rowCount);
    size += tagSize(Field.baseObservedAtUs) + varintSize(this.baseObservedAtUs);
    for (const column of this.columns) size += delimitedSize(column.field, column.length);
    for (const name of this.processNames.names) {
      size += delimitedSize(Field.processNames, Buffer.byteLength(name));
    }
    for (const id of this.containerIndexes.keys()) {
      size += delimitedSize(Field.containerIds, Buffer.byteLength(id));
    }
    for (const set of this.sessionSets.keys()) {
      size += delimitedSize(Field.sessionSets, sessionSetSize(set));
    }
    return size;
  }

  writeTo(out: ByteWriter): void {
    out.varint(Field.rowCount << 3);
    out.varint(this.rowCount);
    out.varint(Field.baseObservedAtUs << 3);
    out.varint(this.baseObservedAtUs);
    for (const column of this.columns) {
      delimited(out, column.field, column.length);
      out.copy(column.bytes, 0, column.length);
    }
    for (const name of this.processNames.names) text(out, Field.processNames, name);
    for (const id of this.containerIndexes.keys()) text(out, Field.containerIds, id);
    for (const set of this.sessionSets.keys()) {
      delimited(out, Field.sessionSets, sessionSetSize(set));
      for (const id of set.sessionIds) {
        delimited(out, Field.sessionIds, id.length);
        out.copy(id, 0, id.length);
      }
    }
  }

  clear(): void {
    this.rowCount = 0;
    for (const column of this.columns) column.clear();
    this.processNames.clear();
    this.containerIndexes.clear();
    this.containersByCgroup.clear();
    this.sessionSets.clear();
  }

  private column(field: number, bytesPerRow = 2): Column {
    const column = new Column(field, bytesPerRow * 256);
    this.columns.push(column);
    return column;
  }

  private containerIndexPlusOne(cgroupId: number, pid: number): number {
    if (cgroupId === 0) return 0;
    const known = this.containersByCgroup.get(cgroupId);
    if (known !== undefined) return known;
    const id = this.containerOf(cgroupId, pid);
    let indexPlusOne = 0;
    if (id !== null) {
      indexPlusOne = this.containerIndexes.get(id) ?? this.containerIndexes.size + 1;
      this.containerIndexes.set(id, indexPlusOne);
    }
    this.containersByCgroup.set(cgroupId, indexPlusOne);
    return indexPlusOne;
  }

  private sessionSetIndex(sessions: SessionSet): number {
    let index = this.sessionSets.get(sessions);
    if (index === undefined) {
      index = this.sessionSets.size;
      this.sessionSets.set(sessions, index);
    }
    return index;
  }
}

class Column extends ByteWriter {
  constructor(
    readonly field: number,
    capacity: number,
  ) {
    super(capacity);
  }
}

function plusOne(value: number, unknown: number): number {
  return value === unknown ? 0 : value + 1;
}

function tagSize(field: number): number {
  return field < 16 ? 1 : 2;
}

function delimitedSize(field: number, length: number): number {
  return tagSize(field) + varintSize(length) + length;
}

function delimited(out: ByteWriter, field: number, length: number): void {
  out.varint((field << 3) | LENGTH_DELIMITED);
  out.varint(length);
}

function text(out: ByteWriter, field: number, value: string): void {
  delimited(out, field, Buffer.byteLength(value));
  out.utf8(value);
}

function sessionSetSize(set: SessionSet): number {
  return set.sessionIds.reduce((size, id) => size + delimitedSize(Field.sessionIds, id.length), 0);
}
