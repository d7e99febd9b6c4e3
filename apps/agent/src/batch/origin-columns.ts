import { PROCESS_NAME_LENGTH, type RecordCursor } from '@synscope/probe-wire';
import type { SessionSet } from '../sessions/session-set.js';
import { ByteDictionary } from './byte-dictionary.js';
import type { ByteWriter } from './byte-writer.js';
import type { Column } from './column.js';
import { escapedUtf8 } from './escaped-utf8.js';
import { delimitedSize, writeDelimited } from './protobuf-wire.js';
import { StringDictionary } from './string-dictionary.js';

/** The container that a cgroup belongs to; null if none is known. `pid` is a hint where to look, 0 if not known. */
export type ContainerOf = (cgroupId: number, pid: number) => string | null;

/** Field numbers of the dictionaries, the same in every kind of columns, and of SessionSet. */
const Field = { processNames: 30, containerIds: 31, sessionSets: 32, sessionIds: 1 } as const;

/** Where a record comes from and whose it is: the six columns, one behind the other, that every kind of record has, and their dictionaries. */
export class OriginColumns {
  private readonly netns: Column;
  private readonly pid: Column;
  private readonly cgroupId: Column;
  private readonly processName: Column;
  private readonly container: Column;
  private readonly sessionSet: Column;

  private readonly processNames = new StringDictionary(Field.processNames);
  private readonly processNamesByBytes: ByteDictionary;
  private readonly containerIds = new StringDictionary(Field.containerIds);
  /** Index plus one, 0 for no container. */
  private readonly containersByCgroup = new Map<number, number>();
  private readonly sessionSets = new Map<SessionSet, number>();
  private sessionSetsSize = 0;

  /** `column` makes the column of a field; `firstField` is that of the network namespace. */
  constructor(
    column: (field: number) => Column,
    firstField: number,
    maxRows: number,
    private readonly containerOf: ContainerOf,
  ) {
    this.netns = column(firstField);
    this.pid = column(firstField + 1);
    this.cgroupId = column(firstField + 2);
    this.processName = column(firstField + 3);
    this.container = column(firstField + 4);
    this.sessionSet = column(firstField + 5);
    this.processNamesByBytes = new ByteDictionary(maxRows, this.processNames, processNameOf, 'distinct');
  }

  append(record: RecordCursor, sessions: SessionSet): void {
    this.netns.varint(record.netns);
    const pid = record.pid;
    this.pid.varint(pid);
    const cgroupIdLow = record.cgroupIdLow;
    const cgroupIdHigh = record.cgroupIdHigh;
    this.cgroupId.varint64(cgroupIdLow, cgroupIdHigh);
    this.processName.varint(this.processNameIndexPlusOne(record.bytes, record.processNamePosition));
    this.container.varint(this.containerIndexPlusOne(cgroupIdHigh * 4294967296 + cgroupIdLow, pid));
    this.sessionSet.varint(this.sessionSetIndex(sessions));
  }

  /** Of the dictionaries alone: bytes that `writeTo` will add. */
  get encodedSize(): number {
    return this.processNames.encodedSize + this.containerIds.encodedSize + this.sessionSetsSize;
  }

  writeTo(out: ByteWriter): void {
    this.processNames.writeTo(out);
    this.containerIds.writeTo(out);
    for (const set of this.sessionSets.keys()) {
      writeDelimited(out, Field.sessionSets, sessionSetSize(set));
      for (const id of set.sessionIds) {
        writeDelimited(out, Field.sessionIds, id.length);
        out.copy(id, 0, id.length);
      }
    }
  }

  clear(): void {
    this.processNames.clear();
    this.processNamesByBytes.clear();
    this.containerIds.clear();
    this.containersByCgroup.clear();
    this.sessionSets.clear();
    this.sessionSetsSize = 0;
  }

  /** 0 for a name of NULs alone, which stands for "not known". */
  private processNameIndexPlusOne(bytes: Buffer, start: number): number {
    let end = start;
    while (end < start + PROCESS_NAME_LENGTH && bytes[end] !== 0) end++;
    return end === start ? 0 : this.processNamesByBytes.index(bytes, start, end) + 1;
  }

  private containerIndexPlusOne(cgroupId: number, pid: number): number {
    if (cgroupId === 0) return 0;
    const known = this.containersByCgroup.get(cgroupId);
    if (known !== undefined) return known;
    const id = this.containerOf(cgroupId, pid);
    const indexPlusOne = id === null ? 0 : this.containerIds.index(id) + 1;
    this.containersByCgroup.set(cgroupId, indexPlusOne);
    return indexPlusOne;
  }

  private sessionSetIndex(sessions: SessionSet): number {
    let index = this.sessionSets.get(sessions);
    if (index === undefined) {
      index = this.sessionSets.size;
      this.sessionSets.set(sessions, index);
      this.sessionSetsSize += delimitedSize(Field.sessionSets, sessionSetSize(sessions));
    }
    return index;
  }
}

function processNameOf(bytes: Buffer, start: number, end: number): string {
  return escapedUtf8(bytes.subarray(start, end));
}

function sessionSetSize(set: SessionSet): number {
  return set.sessionIds.reduce((size, id) => size + delimitedSize(Field.sessionIds, id.length), 0);
}
