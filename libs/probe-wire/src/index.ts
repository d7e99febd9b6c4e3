export {
  type AddressPrefixSpec,
  checkSlotSpec,
  encodeConfigure,
  type SlotSpec,
  SlotSpecError,
} from './configure.js';
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
export {
  constants,
  type FieldLayout,
  FRAME_PAYLOAD_MAX,
  FrameType,
  OUTCOME_LAST,
  PROBE_WIRE_VERSION,
  PROCESS_NAME_LENGTH,
  PUBLIC_FLAGS_MASK,
  RecordFlag,
  SLOT_COUNT,
  SLOT_PORTS_MAX,
  SLOT_PREFIXES_MAX,
  SLOT_PROCESS_NAMES_MAX,
  type StructLayout,
  structs,
  UNKNOWN_U16,
  UNKNOWN_U32,
} from './layout.js';
export { ProbeWireError } from './probe-wire-error.js';
