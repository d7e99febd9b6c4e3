import { fromBinary } from '@bufbuild/protobuf';
import { type ConnectRequest, ConnectRequestSchema } from '@synscope/protocol';

type DecodedMessage = Exclude<ConnectRequest['message'], { case: 'batch' } | { case: undefined }>;

/** One message of an agent. A batch stays as it came: ingest reads it straight into the form that Postgres takes. */
export type ConnectMessage =
  | DecodedMessage
  /** `value` is a synscope.agent.v1.Batch, undecoded, and shares its memory with nothing that will change. */
  | { readonly case: 'batch'; readonly value: Uint8Array }
  | { readonly case: 'malformed'; readonly reason: string };

// ConnectRequest.batch = 4, wire type 2 (length-delimited): https://protobuf.dev/programming-guides/encoding/
const BATCH_TAG = (4 << 3) | 2;

/** Never throws: grpc-js would answer INTERNAL, without a word of what was wrong. */
export function readConnectMessage(bytes: Uint8Array): ConnectMessage {
  const batch = batchInside(bytes);
  if (batch !== null) return { case: 'batch', value: batch };
  let message: ConnectRequest['message'];
  try {
    message = fromBinary(ConnectRequestSchema, bytes).message;
  } catch (error) {
    return {
      case: 'malformed',
      reason: `not a ConnectRequest: ${error instanceof Error ? error.message : String(error)}`,
    };
  }
  switch (message.case) {
    case undefined:
      return { case: 'malformed', reason: 'a ConnectRequest without a message' };
    case 'batch':
      return { case: 'malformed', reason: 'a batch must be the only field of its ConnectRequest' };
    default:
      return message;
  }
}

/** The bytes of `batch` if it is the first and only field, as every encoder writes it; else null. */
function batchInside(bytes: Uint8Array): Uint8Array | null {
  if (bytes[0] !== BATCH_TAG) return null;
  let length = 0;
  let offset = 1;
  for (let shift = 0; shift <= 28; shift += 7) {
    const byte = bytes[offset++];
    if (byte === undefined) return null;
    // Not <<: the fifth byte would overflow 32 bits.
    length += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) return offset + length === bytes.length ? bytes.subarray(offset) : null;
  }
  return null;
}
