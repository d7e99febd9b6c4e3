export { configurePayloadSize, encodeConfigure } from './configure.js';
export {
  DnsFlag,
  FRAME_PAYLOAD_MAX,
  FrameType,
  OUTCOME_LAST,
  PROBE_NAMES,
  PROBE_WIRE_VERSION,
  PROCESS_NAME_LENGTH,
  type ProbeName,
  ProbeNumber,
  PUBLIC_FLAGS_MASK,
  RecordFlag,
  SLOT_COUNT,
  UNKNOWN_U8,
  UNKNOWN_U16,
  UNKNOWN_U32,
} from './constants.js';
export { DnsQueryCursor } from './dns-query-cursor.js';
export { type FrameHandler, FrameSplitter } from './frame-splitter.js';
export { HandshakeCursor } from './handshake-cursor.js';
export {
  type ProbeConfigured,
  type ProbeDiagnostic,
  type ProbeHello,
  type ProbeStats,
  parseConfigured,
  parseDiagnostic,
  parseHello,
  parseStats,
} from './json-frames.js';
export { type FieldLayout, type StructLayout, structs } from './layout.js';
export { ListenerCursor } from './listener-cursor.js';
export { NameLookupCursor } from './name-lookup-cursor.js';
export { ProbeWireError } from './probe-wire-error.js';
export { ReceiveQueueDropCursor } from './receive-queue-drop-cursor.js';
export { RecordCursor } from './record-cursor.js';
export {
  type AddressPrefixSpec,
  checkSlotSpec,
  MATCH_ALL,
  type SlotFilter,
  type SlotSpec,
  SlotSpecError,
} from './slot-spec.js';
