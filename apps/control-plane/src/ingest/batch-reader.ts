import { BatchRefusedError } from './batch-refused.error.js';
import type { TimeBounds } from './range-check.js';
import { RecordColumns } from './record-columns.js';
import { RECORD_KINDS } from './record-kinds.js';
import { type ReportedLoss, readReportedLoss } from './reported-loss.js';
import { malformed, WireReader, WireType } from './wire-reader.js';

/** As much as the gRPC server takes. Agents close a batch before its dictionaries of names could make it this long. */
export const MAXIMUM_BATCH_BYTES = 4 * 1024 * 1024;

const MAXIMUM_LOSS_ENTRIES = 256;

const SEQ = 1;
const LOSS = 3;

/**
 * Reads synscope.agent.v1.Batch from its protobuf wire form into columns that are used again for the next batch, without an object per
 * record. `read` either takes the whole batch, every value checked, or throws BatchRefusedError; the fields below hold until the next `read`.
 *
 * Fields that this version does not know are passed over.
 */
export class BatchReader {
  seq = 0;
  loss: ReportedLoss[] = [];
  /** One per kind of records, also of those that the batch has none of: their rowCount is 0. */
  readonly columns: readonly RecordColumns[] = RECORD_KINDS.map((kind) => new RecordColumns(kind));

  readonly #columnsByField: ReadonlyMap<number, RecordColumns> = new Map(
    this.columns.map((columns) => [columns.kind.field, columns]),
  );

  read(bytes: Uint8Array, bounds: TimeBounds): void {
    this.seq = 0;
    this.loss = [];
    for (const columns of this.columns) columns.reset();
    if (bytes.length > MAXIMUM_BATCH_BYTES) {
      throw new BatchRefusedError(
        'too_large',
        `a batch of ${bytes.length} bytes; at most ${MAXIMUM_BATCH_BYTES} are taken`,
      );
    }
    const reader = new WireReader(bytes, 'Batch');
    while (!reader.done) this.#readField(reader, bounds);
    if (!Number.isSafeInteger(this.seq) || this.seq < 1) {
      throw new BatchRefusedError('out_of_range', `seq is ${this.seq}; it counts from 1`);
    }
    for (const columns of this.columns) columns.check(bounds);
  }

  #readField(reader: WireReader, bounds: TimeBounds): void {
    const tag = reader.tag();
    const field = tag >>> 3;
    const columns = this.#columnsByField.get(field);
    if (field !== SEQ && field !== LOSS && !columns) {
      reader.skip(tag & 7);
      return;
    }
    if ((tag & 7) !== (field === SEQ ? WireType.Varint : WireType.LengthDelimited)) {
      throw malformed('Batch', `field ${field} has wire type ${tag & 7}`);
    }
    if (columns) columns.read(reader.nested(columns.kind.name));
    else if (field === LOSS) this.#readLoss(reader, bounds);
    else this.seq = reader.varint();
  }

  #readLoss(reader: WireReader, bounds: TimeBounds): void {
    if (this.loss.length === MAXIMUM_LOSS_ENTRIES) {
      throw new BatchRefusedError('out_of_range', `loss has more than ${MAXIMUM_LOSS_ENTRIES} entries`);
    }
    this.loss.push(readReportedLoss(reader.nested(`loss[${this.loss.length}]`), bounds));
  }
}
