import { toBinary } from '@bufbuild/protobuf';
import { LossSchema } from '@synscope/protocol';
import { ByteWriter } from './byte-writer.js';
import type { ColumnTable } from './column-table.js';
import { type LossEntry, toProtocolLoss } from './loss.js';
import { delimitedSize, varintFieldSize, writeDelimited, writeVarintField } from './protobuf-wire.js';

// Field numbers of ConnectRequest and Batch in proto/synscope/agent/v1.
const CONNECT_REQUEST_BATCH = 4;
const BATCH_SEQ = 1;
const BATCH_LOSS = 3;

/** A ConnectRequest that carries this batch, as bytes ready for the stream. Without tables it holds only loss. */
export function encodeBatch(seq: number, tables: readonly ColumnTable[], loss: readonly LossEntry[]): Buffer {
  const filled = tables
    .filter((table) => table.rowCount > 0)
    .map((table) => ({ table, size: table.encodedSize }));
  const lossBytes = loss.map((entry) => Buffer.from(toBinary(LossSchema, toProtocolLoss(entry))));

  let size = varintFieldSize(BATCH_SEQ, seq);
  for (const entry of filled) size += delimitedSize(entry.table.batchField, entry.size);
  for (const bytes of lossBytes) size += delimitedSize(BATCH_LOSS, bytes.length);

  const out = new ByteWriter(delimitedSize(CONNECT_REQUEST_BATCH, size));
  writeDelimited(out, CONNECT_REQUEST_BATCH, size);
  writeVarintField(out, BATCH_SEQ, seq);
  for (const entry of filled) {
    writeDelimited(out, entry.table.batchField, entry.size);
    entry.table.writeTo(out);
  }
  for (const bytes of lossBytes) {
    writeDelimited(out, BATCH_LOSS, bytes.length);
    out.copy(bytes, 0, bytes.length);
  }
  return out.bytes.subarray(0, out.length);
}
