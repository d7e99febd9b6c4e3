import type { RecordCursor } from '@synscope/probe-wire';
import type { SessionSet } from '../sessions/session-set.js';
import { ByteDictionary, type TextOf } from './byte-dictionary.js';
import type { ByteWriter } from './byte-writer.js';
import { ADDRESS_BYTES, Column } from './column.js';
import { type ContainerOf, OriginColumns } from './origin-columns.js';
import { delimitedSize, varintFieldSize, writeDelimited, writeVarintField } from './protobuf-wire.js';
import { StringDictionary } from './string-dictionary.js';

/** Field numbers that every kind of columns in proto/synscope/agent/v1/records.proto has. */
const Field = { rowCount: 1, baseObservedAtUs: 2, observedAtDeltaUs: 3, names: 33 } as const;

const FIRST_ROWS = 256;

/** What one kind of columns is called on the wire, and how much it may hold. */
export interface ColumnTableLayout {
  /** Its field number in Batch. */
  readonly batchField: number;
  /** Field number of its netns; pid, cgroup_id and so on follow. */
  readonly firstOriginField: number;
  readonly maxRows: number;
}

/**
 * The records of one kind in one batch, as protobuf's wire has them, without an object per record: each column is written as it will be
 * sent, packed, and the columns are put behind each other at the end. The buffers are used again for the next batch.
 */
export class ColumnTable {
  rowCount = 0;
  /** Wall time of the earliest and the latest record, microseconds. */
  firstObservedAtUs = 0;
  lastObservedAtUs = 0;

  private readonly columns: Column[] = [];
  private readonly observedAtDelta = this.column(Field.observedAtDeltaUs);
  private readonly origin: OriginColumns;
  private readonly names = new StringDictionary(Field.names);
  private namesByBytes: ByteDictionary | undefined;
  private baseObservedAtUs = 0;

  constructor(
    private readonly layout: ColumnTableLayout,
    containerOf: ContainerOf,
  ) {
    this.origin = new OriginColumns(
      (field) => this.column(field),
      layout.firstOriginField,
      layout.maxRows,
      containerOf,
    );
  }

  get batchField(): number {
    return this.layout.batchField;
  }

  column(field: number, bytesPerRow = 2): Column {
    const column = new Column(field, bytesPerRow * FIRST_ROWS);
    this.columns.push(column);
    this.columns.sort((a, b) => a.field - b.field);
    return column;
  }

  addressColumn(field: number): Column {
    return this.column(field, ADDRESS_BYTES);
  }

  /** The dictionary of domain names, whose letter case says nothing. */
  nameDictionary(textOf: TextOf): ByteDictionary {
    this.namesByBytes = new ByteDictionary(this.layout.maxRows, this.names, textOf, 'ignored');
    return this.namesByBytes;
  }

  /** Begins a row with what every kind of record has. Must not be called when `rowCount` has reached the layout's `maxRows`. */
  beginRow(record: RecordCursor, sessions: SessionSet): void {
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
    this.origin.append(record, sessions);
  }

  /** Bytes of what hosts and processes chose: names, container ids, sets of sessions. A row adds at most some 200 bytes besides. */
  get dictionarySize(): number {
    return this.origin.encodedSize + this.names.encodedSize;
  }

  /** Bytes that `writeTo` will add. */
  get encodedSize(): number {
    let size = varintFieldSize(Field.rowCount, this.rowCount);
    size += varintFieldSize(Field.baseObservedAtUs, this.baseObservedAtUs);
    for (const column of this.columns) size += delimitedSize(column.field, column.length);
    return size + this.dictionarySize;
  }

  writeTo(out: ByteWriter): void {
    writeVarintField(out, Field.rowCount, this.rowCount);
    writeVarintField(out, Field.baseObservedAtUs, this.baseObservedAtUs);
    for (const column of this.columns) {
      writeDelimited(out, column.field, column.length);
      out.copy(column.bytes, 0, column.length);
    }
    this.origin.writeTo(out);
    this.names.writeTo(out);
  }

  clear(): void {
    this.rowCount = 0;
    for (const column of this.columns) column.clear();
    this.origin.clear();
    this.names.clear();
    this.namesByBytes?.clear();
  }
}
