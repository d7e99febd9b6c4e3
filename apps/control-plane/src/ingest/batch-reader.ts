import { LossCause, Probe } from '@synscope/protocol';
import { BatchRefusedError } from './batch-refused.error.js';
import { type ColumnKey, createNumberColumns, MAXIMUM_ROWS, type NumberColumn } from './handshake-columns.js';
import { malformed, WireReader, WireType } from './wire-reader.js';

/** A batch of 4,096 records stays far below. */
export const MAXIMUM_BATCH_BYTES = 4 * 1024 * 1024;

/** Room to spare: the name of a process is its comm (15 bytes), a container id 64 hex digits. */
const MAXIMUM_TEXT_BYTES = 255;

/** As many sessions as an agent has slots. */
const MAXIMUM_SESSIONS_PER_SET = 64;

const MAXIMUM_LOSS_ENTRIES = 256;

/** LOSS_CAUSE_SEQUENCE_GAP is assigned here, never sent; 3 was never given out. */
const CAUSES_OF_AGENTS: ReadonlySet<number> = new Set([
  LossCause.RING_FULL,
  LossCause.PENDING_TABLE_FULL,
  LossCause.UNFINISHED_AT_DETACH,
  LossCause.AGENT_BUFFER_FULL,
  LossCause.PROBE_RESTART,
  LossCause.MAX_RECORDS,
  LossCause.TCP_STREAM,
]);

const PROBES_WITH_LOSS: ReadonlySet<number> = new Set([Probe.TCP_HANDSHAKE, Probe.DNS, Probe.NAME_LOOKUP]);

const ADDRESS_BYTES = 16;

/** Bounds on the times in a batch, microseconds since the Unix epoch. */
export interface TimeBounds {
  readonly earliestUs: number;
  readonly latestUs: number;
}

export interface ReportedLoss {
  readonly cause: number;
  /** Whose records. */
  readonly probe: Probe;
  readonly records: number;
  readonly fromUs: number;
  readonly untilUs: number;
}

const emptyBytes = new Uint8Array(0);

/**
 * Reads synscope.agent.v1.Batch from its protobuf wire form into columns that are used again for the next batch, without an object per
 * record. `read` either takes the whole batch, every value checked, or throws BatchRefusedError; the fields below hold until the next `read`.
 *
 * Fields that this version does not know are passed over. A second `handshakes` is refused instead of merged: no encoder writes one.
 */
export class BatchReader {
  seq = 0;
  rowCount = 0;
  baseObservedAtUs = 0;
  localAddress: Uint8Array = emptyBytes;
  remoteAddress: Uint8Array = emptyBytes;
  readonly columns = createNumberColumns();
  processNames: Uint8Array[] = [];
  containerIds: Uint8Array[] = [];
  /** Per set, the UUIDs of its sessions, 16 bytes each. */
  sessionSets: Uint8Array[][] = [];
  loss: ReportedLoss[] = [];

  readonly #columnByField = new Map<number, NumberColumn>();

  constructor() {
    for (const column of Object.values(this.columns)) this.#columnByField.set(column.range.field, column);
  }

  read(bytes: Uint8Array, bounds: TimeBounds): void {
    this.#reset();
    if (bytes.length > MAXIMUM_BATCH_BYTES) {
      throw new BatchRefusedError(
        'too_large',
        `a batch of ${bytes.length} bytes; at most ${MAXIMUM_BATCH_BYTES} are taken`,
      );
    }
    const reader = new WireReader(bytes, 'Batch');
    let hasHandshakes = false;
    while (!reader.done) {
      const tag = reader.tag();
      if (tag === field(1, WireType.Varint)) this.seq = reader.varint();
      else if (tag === field(2, WireType.LengthDelimited)) {
        if (hasHandshakes) throw malformed('Batch', 'handshakes occurs twice');
        hasHandshakes = true;
        this.#readHandshakes(reader.nested('handshakes'));
      } else if (tag === field(3, WireType.LengthDelimited)) this.#readLoss(reader, bounds);
      else if (tag >>> 3 <= 3) throw malformed('Batch', `field ${tag >>> 3} has wire type ${tag & 7}`);
      else reader.skip(tag & 7);
    }
    if (!Number.isSafeInteger(this.seq) || this.seq < 1) {
      throw new BatchRefusedError('out_of_range', `seq is ${this.seq}; it counts from 1`);
    }
    if (hasHandshakes) this.#checkHandshakes(bounds);
  }

  #reset(): void {
    this.seq = 0;
    this.rowCount = 0;
    this.baseObservedAtUs = 0;
    this.localAddress = emptyBytes;
    this.remoteAddress = emptyBytes;
    for (const column of this.#columnByField.values()) column.count = 0;
    this.processNames = [];
    this.containerIds = [];
    this.sessionSets = [];
    this.loss = [];
  }

  #readHandshakes(reader: WireReader): void {
    while (!reader.done) {
      const tag = reader.tag();
      const column = this.#columnByField.get(tag >>> 3);
      if (column) column.read(reader, tag & 7);
      else this.#readOther(reader, tag);
    }
  }

  #readOther(reader: WireReader, tag: number): void {
    switch (tag) {
      case field(1, WireType.Varint):
        this.rowCount = reader.varint();
        return;
      case field(2, WireType.Varint):
        this.baseObservedAtUs = reader.varint();
        return;
      case field(6, WireType.LengthDelimited):
        this.localAddress = reader.view();
        return;
      case field(7, WireType.LengthDelimited):
        this.remoteAddress = reader.view();
        return;
      case field(30, WireType.LengthDelimited):
        append(this.processNames, 'process_names', (name) => reader.text(name, MAXIMUM_TEXT_BYTES));
        return;
      case field(31, WireType.LengthDelimited):
        append(this.containerIds, 'container_ids', (name) => reader.text(name, MAXIMUM_TEXT_BYTES));
        return;
      case field(32, WireType.LengthDelimited):
        append(this.sessionSets, 'session_sets', (name) => readSessionSet(reader.nested(name)));
        return;
      default:
        if (KNOWN_OTHER_FIELDS.has(tag >>> 3)) {
          throw malformed('handshakes', `field ${tag >>> 3} has wire type ${tag & 7}`);
        }
        reader.skip(tag & 7);
    }
  }

  #readLoss(outer: WireReader, bounds: TimeBounds): void {
    const name = `loss[${this.loss.length}]`;
    const reader = outer.nested(name);
    if (this.loss.length === MAXIMUM_LOSS_ENTRIES) {
      throw new BatchRefusedError('out_of_range', `loss has more than ${MAXIMUM_LOSS_ENTRIES} entries`);
    }
    const values = [0, 0, 0, 0, 0, 0];
    while (!reader.done) {
      const tag = reader.tag();
      if ((tag & 7) === WireType.Varint && tag >>> 3 <= 5) values[tag >>> 3] = reader.varint();
      else if (tag >>> 3 <= 5) throw malformed(name, `field ${tag >>> 3} has wire type ${tag & 7}`);
      else reader.skip(tag & 7);
    }
    const [, cause = 0, records = 0, fromUs = 0, untilUs = 0, sentProbe = 0] = values;
    checkOneOf(`${name}.cause`, cause, CAUSES_OF_AGENTS);
    // Agents from before there were others do not send it.
    const probe = sentProbe === Probe.UNSPECIFIED ? Probe.TCP_HANDSHAKE : sentProbe;
    checkOneOf(`${name}.probe`, probe, PROBES_WITH_LOSS);
    checkRange(`${name}.records`, records, 1, Number.MAX_SAFE_INTEGER);
    checkRange(`${name}.from_us`, fromUs, 1, bounds.latestUs);
    checkRange(`${name}.until_us`, untilUs, fromUs, bounds.latestUs);
    this.loss.push({ cause, probe, records, fromUs, untilUs });
  }

  #checkHandshakes(bounds: TimeBounds): void {
    checkRange('handshakes.row_count', this.rowCount, 1, MAXIMUM_ROWS);
    for (const { count, range } of this.#columnByField.values())
      this.#checkCount(range.name, count, this.rowCount);
    this.#checkCount('local_address', this.localAddress.length, this.rowCount * ADDRESS_BYTES);
    this.#checkCount('remote_address', this.remoteAddress.length, this.rowCount * ADDRESS_BYTES);
    this.#checkIndex('processNameIndexPlusOne', this.processNames.length);
    this.#checkIndex('containerIdIndexPlusOne', this.containerIds.length);
    this.#checkIndex('sessionSetIndex', this.sessionSets.length - 1);
    this.#checkTimes(bounds);
  }

  #checkCount(name: string, actual: number, expected: number): void {
    if (actual !== expected) {
      throw new BatchRefusedError(
        'malformed',
        `handshakes.${name} has a length of ${actual}; row_count asks for ${expected}`,
      );
    }
  }

  #checkIndex(key: ColumnKey, maximum: number): void {
    const { values, range } = this.columns[key];
    for (let row = 0; row < this.rowCount; row++) {
      if ((values[row] as number) > maximum) {
        throw new BatchRefusedError(
          'out_of_range',
          `handshakes.${range.name}[${row}] is ${values[row]}, beyond its dictionary`,
        );
      }
    }
  }

  #checkTimes({ earliestUs, latestUs }: TimeBounds): void {
    const { values } = this.columns.observedAtDelta;
    checkRange('handshakes.base_observed_at_us', this.baseObservedAtUs, 1, Number.MAX_SAFE_INTEGER);
    for (let row = 0; row < this.rowCount; row++) {
      const observedAtUs = this.baseObservedAtUs + (values[row] as number);
      if (observedAtUs >= earliestUs && observedAtUs <= latestUs) continue;
      const when = Math.abs(observedAtUs) <= 8.64e18 ? observedAtUs : Number.NaN;
      throw new BatchRefusedError(
        'out_of_time',
        `handshakes.observed_at_delta_us[${row}] means ${toIso(when)}, ${
          observedAtUs > latestUs
            ? `later than ${toIso(latestUs)}: is the host's clock right?`
            : `before ${toIso(earliestUs)}, which retention no longer keeps`
        }`,
      );
    }
  }
}

const KNOWN_OTHER_FIELDS = new Set([1, 2, 6, 7, 30, 31, 32]);

function field(number: number, wireType: number): number {
  return number * 8 + wireType;
}

function append<T>(list: T[], name: string, read: (name: string) => T): void {
  const path = `handshakes.${name}`;
  if (list.length === MAXIMUM_ROWS) {
    throw new BatchRefusedError('out_of_range', `${path} has more than ${MAXIMUM_ROWS} entries`);
  }
  list.push(read(`${path}[${list.length}]`));
}

function readSessionSet(reader: WireReader): Uint8Array[] {
  const ids: Uint8Array[] = [];
  while (!reader.done) {
    const tag = reader.tag();
    if (tag !== field(1, WireType.LengthDelimited)) {
      if (tag >>> 3 === 1) throw malformed(reader.message, `session_ids has wire type ${tag & 7}`);
      reader.skip(tag & 7);
      continue;
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

function checkRange(name: string, value: number, minimum: number, maximum: number): void {
  if (!(value >= minimum && value <= maximum)) {
    throw new BatchRefusedError('out_of_range', `${name} is ${value}, outside ${minimum}–${maximum}`);
  }
}

function checkOneOf(name: string, value: number, allowed: ReadonlySet<number>): void {
  if (allowed.has(value)) return;
  throw new BatchRefusedError('out_of_range', `${name} is ${value}, not one of ${[...allowed].join(', ')}`);
}

function toIso(microseconds: number): string {
  const date = new Date(microseconds / 1_000);
  return Number.isNaN(date.getTime()) ? 'a time beyond the calendar' : date.toISOString();
}
