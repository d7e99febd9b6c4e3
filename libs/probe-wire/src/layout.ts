/**
 * bpf/probe_wire.h in TypeScript: what `synscope-probe --print-layout` prints, as constants. layout.test.ts holds the two against
 * each other, so that a field cannot move on one side only.
 */

export interface FieldLayout {
  readonly offset: number;
  /** Bytes. */
  readonly size: number;
}

export interface StructLayout {
  readonly size: number;
  readonly fields: Readonly<Record<string, FieldLayout>>;
}

export const PROBE_WIRE_VERSION = 1;

export const FrameType = {
  hello: 1,
  handshakes: 2,
  stats: 3,
  configured: 4,
  diagnostic: 5,
  configure: 16,
} as const;

/** Bytes; a longer payload is a protocol error. */
export const FRAME_PAYLOAD_MAX = 1 << 20;

export const SLOT_COUNT = 64;
export const SLOT_PORTS_MAX = 64;
export const SLOT_PREFIXES_MAX = 64;
export const SLOT_PROCESS_NAMES_MAX = 32;
/** TASK_COMM_LEN of include/linux/sched.h, with its NUL. */
export const PROCESS_NAME_LENGTH = 16;

export const UNKNOWN_U32 = 0xffffffff;
export const UNKNOWN_U16 = 0xffff;

export const RecordFlag = {
  synCookie: 1,
  fastOpen: 2,
  mptcp: 4,
  notYetAccepted: 8,
  simultaneousOpen: 16,
  clientIsnKnown: 256,
  serverIsnKnown: 512,
} as const;

/** The bits of `flags` that HandshakeColumns.flags of the agent protocol knows too. */
export const PUBLIC_FLAGS_MASK = 0xff;

export const OUTCOME_LAST = 6;

const frameHeader = {
  size: 8,
  fields: {
    length: { offset: 0, size: 4 },
    type: { offset: 4, size: 2 },
    reserved: { offset: 6, size: 2 },
  },
} as const satisfies StructLayout;

const handshakesHeader = {
  size: 8,
  fields: {
    wall_offset_ns: { offset: 0, size: 8 },
  },
} as const satisfies StructLayout;

const handshakeRecord = {
  size: 128,
  fields: {
    observed_ns: { offset: 0, size: 8 },
    slots: { offset: 8, size: 8 },
    latency_ns: { offset: 16, size: 8 },
    accept_wait_ns: { offset: 24, size: 8 },
    cgroup_id: { offset: 32, size: 8 },
    local_address: { offset: 40, size: 16 },
    remote_address: { offset: 56, size: 16 },
    revision: { offset: 72, size: 4 },
    client_isn: { offset: 76, size: 4 },
    server_isn: { offset: 80, size: 4 },
    srtt_us: { offset: 84, size: 4 },
    netns: { offset: 88, size: 4 },
    pid: { offset: 92, size: 4 },
    local_port: { offset: 96, size: 2 },
    remote_port: { offset: 98, size: 2 },
    syn_retransmits: { offset: 100, size: 2 },
    syn_ack_retransmits: { offset: 102, size: 2 },
    flags: { offset: 104, size: 2 },
    role: { offset: 106, size: 1 },
    outcome: { offset: 107, size: 1 },
    reserved: { offset: 108, size: 4 },
    process_name: { offset: 112, size: 16 },
  },
} as const satisfies StructLayout;

const configureHeader = {
  size: 8,
  fields: {
    revision: { offset: 0, size: 4 },
    slot_count: { offset: 4, size: 4 },
  },
} as const satisfies StructLayout;

const configureSlot = {
  size: 24,
  fields: {
    min_latency_ns: { offset: 0, size: 8 },
    sample_threshold: { offset: 8, size: 4 },
    slot: { offset: 12, size: 1 },
    roles: { offset: 13, size: 1 },
    outcomes: { offset: 14, size: 2 },
    remote_port_count: { offset: 16, size: 2 },
    local_port_count: { offset: 18, size: 2 },
    remote_prefix_count: { offset: 20, size: 2 },
    process_name_count: { offset: 22, size: 2 },
  },
} as const satisfies StructLayout;

const addressPrefix = {
  size: 17,
  fields: {
    length: { offset: 0, size: 1 },
    address: { offset: 1, size: 16 },
  },
} as const satisfies StructLayout;

/** By the names of the C structs. */
export const structs = {
  frame_header: frameHeader,
  handshakes_header: handshakesHeader,
  handshake_record: handshakeRecord,
  configure_header: configureHeader,
  configure_slot: configureSlot,
  address_prefix: addressPrefix,
} as const;

/** By the names of the C constants. */
export const constants: Readonly<Record<string, number>> = {
  FRAME_HELLO: FrameType.hello,
  FRAME_HANDSHAKES: FrameType.handshakes,
  FRAME_STATS: FrameType.stats,
  FRAME_CONFIGURED: FrameType.configured,
  FRAME_DIAGNOSTIC: FrameType.diagnostic,
  FRAME_CONFIGURE: FrameType.configure,
  FRAME_PAYLOAD_MAX,
  ROLE_CLIENT: 1,
  ROLE_SERVER: 2,
  OUTCOME_ESTABLISHED: 1,
  OUTCOME_REFUSED: 2,
  OUTCOME_TIMED_OUT: 3,
  OUTCOME_UNREACHABLE: 4,
  OUTCOME_ABORTED: 5,
  OUTCOME_RESET: 6,
  FLAG_SYN_COOKIE: RecordFlag.synCookie,
  FLAG_FAST_OPEN: RecordFlag.fastOpen,
  FLAG_MPTCP: RecordFlag.mptcp,
  FLAG_NOT_YET_ACCEPTED: RecordFlag.notYetAccepted,
  FLAG_SIMULTANEOUS_OPEN: RecordFlag.simultaneousOpen,
  FLAG_CLIENT_ISN_KNOWN: RecordFlag.clientIsnKnown,
  FLAG_SERVER_ISN_KNOWN: RecordFlag.serverIsnKnown,
  PROCESS_NAME_LENGTH,
  SLOT_COUNT,
  SLOT_PORTS_MAX,
  SLOT_PREFIXES_MAX,
  SLOT_PROCESS_NAMES_MAX,
};
