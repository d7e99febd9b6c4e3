import { toBinary } from '@bufbuild/protobuf';
import { LossSchema } from '@synscope/protocol';
import { ByteWriter, varintSize } from './byte-writer.js';
import type { HandshakeColumnsWriter } from './handshake-columns-writer.js';
import { type LossEntry, toProtocolLoss } from './loss.js';

// Tags (field number and wire type) of ConnectRequest and Batch in proto/synscope/agent/v1.
const CONNECT_REQUEST_BATCH = 0x22;
const BATCH_SEQ = 0x08;
const BATCH_HANDSHAKES = 0x12;
const BATCH_LOSS = 0x1a;

/** A ConnectRequest that carries this batch, as bytes ready for the stream. Without columns it holds only loss. */
export function encodeBatch(
  seq: number,
  columns: HandshakeColumnsWriter | null,
  loss: readonly LossEntry[],
): Buffer {
  const lossBytes = loss.map((entry) => Buffer.from(toBinary(LossSchema, toProtocolLoss(entry))));
  const columnsSize = columns === null || columns.rowCount === 0 ? 0 : columns.encodedSize;

  let size = 1 + varintSize(seq);
  if (columnsSize > 0) size += 1 + varintSize(columnsSize) + columnsSize;
  for (const bytes of lossBytes) size += 1 + varintSize(bytes.length) + bytes.length;

  const out = new ByteWriter(1 + varintSize(size) + size);
  out.varint(CONNECT_REQUEST_BATCH);
  out.varint(size);
  out.varint(BATCH_SEQ);
  out.varint(seq);
  if (columns !== null && columnsSize > 0) {
    out.varint(BATCH_HANDSHAKES);
    out.varint(columnsSize);
    columns.writeTo(out);
  }
  for (const bytes of lossBytes) {
    out.varint(BATCH_LOSS);
    out.varint(bytes.length);
    out.copy(bytes, 0, bytes.length);
  }
  return out.bytes.subarray(0, out.length);
}
