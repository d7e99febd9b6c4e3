import { BatchRefusedError } from './batch-refused.error.js';
import { MAXIMUM_ROWS, NumberColumn } from './number-column.js';
import { checkRange, isWithin, type TimeBounds } from './range-check.js';
import { indexRange, OBSERVED_AT_DELTA, type RecordKind } from './record-kind.js';
import { malformed, type WireReader, WireType } from './wire-reader.js';

/** Room to spare: the name of a process is its comm (15 bytes), a container id 64 hex digits. */
const MAXIMUM_TEXT_BYTES = 255;

/** As many sessions as an agent has slots. */
const MAXIMUM_SESSIONS_PER_SET = 64;

const ADDRESS_BYTES = 16;

const ROW_COUNT = 1;
const BASE_OBSERVED_AT = 2;
const PROCESS_NAMES = 30;
const CONTAINER_IDS = 31;
const SESSION_SETS = 32;

const emptyBytes = new Uint8Array(0);

/** The columns of one kind of records in the batch that is being read. They are used again for the next batch; `reset` empties them. */
export class RecordColumns {
  rowCount = 0;
  baseObservedAtUs = 0;
  /** Records that were observed outside of `bounds`: they are not stored. */
  outOfTime = 0;
  bounds: TimeBounds = { earliestUs: 0, latestUs: 0 };
  readonly observedAtDelta: NumberColumn;
  /** Those that are stored as numbers, in the order of the kind. */
  readonly numbers: readonly NumberColumn[];
  readonly processNameIndex: NumberColumn;
  readonly containerIdIndex: NumberColumn;
  readonly sessionSetIndex: NumberColumn;
  /** Null for a kind without names. */
  readonly nameIndex: NumberColumn | null;
  /** 16 bytes per record each, in the order of the kind. */
  readonly addresses: Uint8Array[];
  processNames: Uint8Array[] = [];
  containerIds: Uint8Array[] = [];
  names: Uint8Array[] = [];
  /** Per set, the UUIDs of its sessions, 16 bytes each. */
  sessionSets: Uint8Array[][] = [];

  readonly #columnByField: ReadonlyMap<number, NumberColumn>;
  #present = false;

  constructor(readonly kind: RecordKind) {
    const columns = new Map<number, NumberColumn>();
    const column = (range: NumberColumn['range']) => {
      const made = new NumberColumn(range, `${kind.name}.${range.name}`);
      columns.set(range.field, made);
      return made;
    };
    this.observedAtDelta = column(OBSERVED_AT_DELTA);
    this.numbers = kind.numbers.map(column);
    this.processNameIndex = column(indexRange(kind.processNameIndexField, 'process_name_index_plus_one'));
    this.containerIdIndex = column(indexRange(kind.containerIdIndexField, 'container_id_index_plus_one'));
    this.sessionSetIndex = column(indexRange(kind.sessionSetIndexField, 'session_set_index'));
    this.nameIndex = kind.names && column(indexRange(kind.names.indexField, kind.names.indexName));
    this.addresses = kind.addresses.map(() => emptyBytes);
    this.#columnByField = columns;
  }

  reset(): void {
    if (!this.#present) return;
    this.#present = false;
    this.rowCount = 0;
    this.baseObservedAtUs = 0;
    this.outOfTime = 0;
    for (const column of this.#columnByField.values()) column.count = 0;
    this.addresses.fill(emptyBytes);
    this.processNames = [];
    this.containerIds = [];
    this.names = [];
    this.sessionSets = [];
  }

  /** Reads the message of this kind; a second one in a batch is refused instead of merged, because no encoder writes one. */
  read(reader: WireReader): void {
    if (this.#present) throw malformed('Batch', `${this.kind.name} occurs twice`);
    this.#present = true;
    while (!reader.done) {
      const tag = reader.tag();
      const column = this.#columnByField.get(tag >>> 3);
      if (column) column.read(reader, tag & 7);
      else if (!this.#readOther(reader, tag >>> 3, tag & 7)) reader.skip(tag & 7);
    }
  }

  /** Records within `bounds`. */
  get storedCount(): number {
    return this.rowCount - this.outOfTime;
  }

  /** Whatever can only be told once all columns are read. */
  check(bounds: TimeBounds): void {
    if (!this.#present) return;
    const { kind, rowCount } = this;
    checkRange(`${kind.name}.row_count`, rowCount, 1, MAXIMUM_ROWS);
    for (const { path, count } of this.#columnByField.values()) checkLength(path, count, rowCount);
    kind.addresses.forEach(({ name }, index) => {
      checkLength(`${kind.name}.${name}`, this.addresses[index]?.length ?? 0, rowCount * ADDRESS_BYTES);
    });
    this.#checkIndex(this.processNameIndex, this.processNames.length);
    this.#checkIndex(this.containerIdIndex, this.containerIds.length);
    this.#checkIndex(this.sessionSetIndex, this.sessionSets.length - 1);
    if (this.nameIndex) this.#checkIndex(this.nameIndex, this.names.length - 1);
    this.#checkTimes(bounds);
  }

  /** False if this version does not know the field. */
  #readOther(reader: WireReader, field: number, wireType: number): boolean {
    const { kind } = this;
    if (field === ROW_COUNT || field === BASE_OBSERVED_AT) {
      this.#demand(field, wireType, WireType.Varint);
      if (field === ROW_COUNT) this.rowCount = reader.varint();
      else this.baseObservedAtUs = reader.varint();
      return true;
    }
    const address = kind.addresses.findIndex((range) => range.field === field);
    const isName = field === kind.names?.field;
    const isDictionary = isName || (field >= PROCESS_NAMES && field <= SESSION_SETS);
    if (address < 0 && !isDictionary) return false;
    this.#demand(field, wireType, WireType.LengthDelimited);
    if (address >= 0) this.addresses[address] = reader.view();
    else this.#readEntry(reader, field);
    return true;
  }

  #readEntry(reader: WireReader, field: number): void {
    const text = (path: string) => reader.text(path, MAXIMUM_TEXT_BYTES);
    if (field === PROCESS_NAMES) this.#append(this.processNames, 'process_names', text);
    else if (field === CONTAINER_IDS) this.#append(this.containerIds, 'container_ids', text);
    else if (field === SESSION_SETS) {
      this.#append(this.sessionSets, 'session_sets', (path) => readSessionSet(reader.nested(path)));
    } else if (this.kind.names) {
      const { name, lowestByte, maximumBytes } = this.kind.names;
      this.#append(this.names, name, (path) => reader.printable(path, lowestByte, maximumBytes));
    }
  }

  #append<T>(list: T[], name: string, read: (path: string) => T): void {
    const path = `${this.kind.name}.${name}`;
    if (list.length === MAXIMUM_ROWS) {
      throw new BatchRefusedError('out_of_range', `${path} has more than ${MAXIMUM_ROWS} entries`);
    }
    list.push(read(`${path}[${list.length}]`));
  }

  #demand(field: number, actual: number, expected: number): void {
    if (actual !== expected) throw malformed(this.kind.name, `field ${field} has wire type ${actual}`);
  }

  #checkIndex({ values, path }: NumberColumn, maximum: number): void {
    for (let row = 0; row < this.rowCount; row++) {
      if ((values[row] as number) > maximum) {
        throw new BatchRefusedError(
          'out_of_range',
          `${path}[${row}] is ${values[row]}, beyond its dictionary`,
        );
      }
    }
  }

  #checkTimes(bounds: TimeBounds): void {
    const { values } = this.observedAtDelta;
    checkRange(`${this.kind.name}.base_observed_at_us`, this.baseObservedAtUs, 1, Number.MAX_SAFE_INTEGER);
    this.bounds = bounds;
    let outOfTime = 0;
    for (let row = 0; row < this.rowCount; row++) {
      if (!isWithin(bounds, this.baseObservedAtUs + (values[row] as number))) outOfTime++;
    }
    this.outOfTime = outOfTime;
  }
}

function checkLength(path: string, actual: number, expected: number): void {
  if (actual === expected) return;
  throw new BatchRefusedError(
    'malformed',
    `${path} has a length of ${actual}; row_count asks for ${expected}`,
  );
}

function readSessionSet(reader: WireReader): Uint8Array[] {
  const ids: Uint8Array[] = [];
  while (!reader.done) {
    const tag = reader.tag();
    if (tag >>> 3 !== 1) {
      reader.skip(tag & 7);
      continue;
    }
    if ((tag & 7) !== WireType.LengthDelimited) {
      throw malformed(reader.message, `session_ids has wire type ${tag & 7}`);
    }
    const id = reader.view();
    if (id.length !== 16) {
      throw new BatchRefusedError(
        'out_of_range',
        `${reader.message}.session_ids[${ids.length}] has ${id.length} bytes; a UUID has 16`,
      );
    }
    ids.push(id);
  }
  checkRange(`the number of ${reader.message}.session_ids`, ids.length, 1, MAXIMUM_SESSIONS_PER_SET);
  return ids;
}
