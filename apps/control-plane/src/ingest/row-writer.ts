import { hashOfBatch } from '../record-storage/record-id.js';
import type { RecordTable } from '../record-storage/record-table.js';
import { BufferPool } from './buffer-pool.js';
import {
  ADDRESS_BYTES,
  encodeField,
  encodeSessionSet,
  type NumberField,
  numberField,
  putAddress,
  putField,
  putNumbers,
  putRecordId,
  putTimestamp,
  putUuid,
  SQL_NULL,
  TIMESTAMP_BYTES,
  UUID_BYTES,
} from './copy-format.js';
import { isWithin } from './range-check.js';
import type { RecordColumns } from './record-columns.js';
import { copyColumnsOf } from './record-kind.js';

const MICROSECONDS_PER_HOUR = 3_600_000_000;

/** Rows of about 100 batches. */
const IDLE_BYTES = 32 * 1024 * 1024;

/** The records of one kind in a batch. */
export interface TableRows {
  readonly table: RecordTable;
  /** Rows of COPY's binary form, without header and trailer. */
  readonly bytes: Buffer;
  readonly count: number;
  readonly firstObservedAtUs: number;
  readonly lastObservedAtUs: number;
  /** Hours since the Unix epoch that the rows lie in: each has its own partition. */
  readonly hours: readonly number[];
}

/** Which batch the rows belong to. UUIDs as bytes. */
export interface BatchIdentity {
  readonly agentId: Uint8Array;
  readonly bootId: Uint8Array;
  readonly seq: number;
}

/** Writes columns as rows of COPY's binary form. Its buffer grows to the largest batch and is used again. */
export class RowWriter {
  #buffer = Buffer.alloc(512 * 1024);
  #view = viewOf(this.#buffer);
  readonly #pool = new BufferPool(IDLE_BYTES);
  readonly #layouts = new WeakMap<RecordColumns, RowLayout>();

  /** Columns that a reader has checked, with at least one row within their bounds. The others are left out. */
  write(columns: RecordColumns, { agentId, bootId, seq }: BatchIdentity): TableRows {
    const { fieldCount, numbers, fixedBytes } = this.#layoutOf(columns);
    const { rowCount, baseObservedAtUs, bounds } = columns;
    const deltas = columns.observedAtDelta.values;
    // The index columns are plus one, and 0 is null.
    const processNames = [SQL_NULL, ...columns.processNames.map(encodeField)];
    const containerIds = [SQL_NULL, ...columns.containerIds.map(encodeField)];
    const sessionSets = columns.sessionSets.map(encodeSessionSet);
    const names = columns.names.map(encodeField);
    const longestRow = [processNames, containerIds, sessionSets, names].reduce(
      (sum, dictionary) => sum + longest(dictionary),
      fixedBytes,
    );
    const agent = words(agentId);
    const hash = hashOfBatch(agentId, bootId, seq);
    const addresses = columns.addresses.map(viewOf);
    const processNameIndex = columns.processNameIndex.values;
    const containerIdIndex = columns.containerIdIndex.values;
    const sessionSetIndex = columns.sessionSetIndex.values;
    const nameIndex = columns.nameIndex?.values;

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
      if (!isWithin(bounds, observedAtUs)) continue;
      if (observedAtUs < first) first = observedAtUs;
      if (observedAtUs > last) last = observedAtUs;
      const hour = Math.floor(observedAtUs / MICROSECONDS_PER_HOUR);
      if (hour !== previousHour) {
        hours.add(hour);
        previousHour = hour;
      }
      view.setInt16(at, fieldCount);
      at = putTimestamp(view, at + 2, observedAtUs);
      at = putNumbers(view, at, numbers, row);
      at = putRecordId(view, at, observedAtUs, hash, row);
      at = putUuid(view, at, agent);
      for (let i = 0; i < addresses.length; i++) {
        at = putAddress(view, at, addresses[i] as DataView, row * 16);
      }
      if (nameIndex) at = putField(buffer, at, names[nameIndex[row] as number] as Uint8Array);
      at = putField(buffer, at, processNames[processNameIndex[row] as number] as Uint8Array);
      at = putField(buffer, at, containerIds[containerIdIndex[row] as number] as Uint8Array);
      at = putField(buffer, at, sessionSets[sessionSetIndex[row] as number] as Uint8Array);
    }
    return {
      table: columns.kind.table,
      bytes: this.#pool.copyOf(this.#buffer.subarray(0, at)),
      count: columns.storedCount,
      firstObservedAtUs: first,
      lastObservedAtUs: last,
      hours: [...hours],
    };
  }

  /** Takes back the memory of rows that are committed. They must not be read any more. */
  recycle({ bytes }: TableRows): void {
    this.#pool.recycle(bytes);
  }

  #layoutOf(columns: RecordColumns): RowLayout {
    const known = this.#layouts.get(columns);
    if (known) return known;
    const layout = rowLayout(columns);
    this.#layouts.set(columns, layout);
    return layout;
  }

  #reserve(at: number, length: number): void {
    if (at + length <= this.#buffer.length) return;
    const grown = Buffer.alloc(Math.max(this.#buffer.length * 2, at + length));
    this.#buffer.copy(grown, 0, 0, at);
    this.#buffer = grown;
    this.#view = viewOf(grown);
  }
}

/** What of a row is the same for all batches of a kind. */
interface RowLayout {
  readonly fieldCount: number;
  readonly numbers: readonly NumberField[];
  /** All but the fields from dictionaries, at their longest. */
  readonly fixedBytes: number;
}

function rowLayout({ kind, numbers }: RecordColumns): RowLayout {
  const fields = kind.numbers.flatMap((stored, index) => {
    const column = numbers[index];
    return column ? [numberField(column, stored)] : [];
  });
  const numberBytes = fields.reduce((sum, { width }) => sum + 4 + width, 0);
  return {
    fieldCount: copyColumnsOf(kind).length,
    numbers: fields,
    fixedBytes: 2 + TIMESTAMP_BYTES + numberBytes + 2 * UUID_BYTES + kind.addresses.length * ADDRESS_BYTES,
  };
}

function longest(fields: readonly Uint8Array[]): number {
  return fields.reduce((length, field) => Math.max(length, field.length), 0);
}

function words(uuid: Uint8Array): number[] {
  const view = viewOf(uuid);
  return [view.getUint32(0), view.getUint32(4), view.getUint32(8), view.getUint32(12)];
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
