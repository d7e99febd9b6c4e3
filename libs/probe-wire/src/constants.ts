/**
 * The constants of bpf/probe_wire.h. layout.test.ts holds them against what `synscope-probe --print-layout` prints.
 */

export const PROBE_WIRE_VERSION = 2;

export const FrameType = {
  hello: 1,
  handshakes: 2,
  stats: 3,
  configured: 4,
  diagnostic: 5,
  dnsQueries: 6,
  nameLookups: 7,
  receiveQueueDrops: 8,
  listeners: 9,
  configure: 16,
} as const;

/** Bytes; a longer payload is a protocol error. */
export const FRAME_PAYLOAD_MAX = 1 << 20;

/** Each is configured, attached and counted by itself. By the names that the probe's JSON frames and the REST API have for them. */
export const ProbeNumber = {
  tcp_handshake: 1,
  dns: 2,
  listener: 3,
  name_lookup: 4,
} as const;
export type ProbeName = keyof typeof ProbeNumber;

export const PROBE_NAMES = Object.keys(ProbeNumber) as readonly ProbeName[];

export const SLOT_COUNT = 64;
export const SLOT_PORTS_MAX = 64;
export const SLOT_PREFIXES_MAX = 64;
export const SLOT_PROCESS_NAMES_MAX = 32;
export const SLOT_DNS_PORTS_MAX = 8;
export const SLOT_QUERY_NAMES_MAX = 64;
export const SLOT_QUERY_TYPES_MAX = 32;
export const SLOT_RESPONSE_CODES_MAX = 32;
/** TASK_COMM_LEN of include/linux/sched.h, with its NUL. */
export const PROCESS_NAME_LENGTH = 16;
/** RFC 1035 §2.3.4: length bytes and the root's included. */
export const DNS_NAME_LENGTH_MAX = 255;
export const LOOKUP_NAME_LENGTH_MAX = 255;

export const UNKNOWN_U32 = 0xffffffff;
export const UNKNOWN_U16 = 0xffff;
export const UNKNOWN_U8 = 0xff;

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

export const DnsFlag = {
  truncated: 1,
  severalQuestions: 2,
  socketClosed: 4,
  askedAgain: 8,
  noQuestionInAnswer: 16,
} as const;

export const NameLookupFlag = { cut: 1 } as const;

export const OUTCOME_LAST = 6;
export const DNS_OUTCOME_LAST = 3;

/** By the names of the C constants. */
export const constants: Readonly<Record<string, number>> = {
  FRAME_HELLO: FrameType.hello,
  FRAME_HANDSHAKES: FrameType.handshakes,
  FRAME_STATS: FrameType.stats,
  FRAME_CONFIGURED: FrameType.configured,
  FRAME_DIAGNOSTIC: FrameType.diagnostic,
  FRAME_DNS_QUERIES: FrameType.dnsQueries,
  FRAME_NAME_LOOKUPS: FrameType.nameLookups,
  FRAME_RECEIVE_QUEUE_DROPS: FrameType.receiveQueueDrops,
  FRAME_LISTENERS: FrameType.listeners,
  FRAME_CONFIGURE: FrameType.configure,
  FRAME_PAYLOAD_MAX,
  PROBE_TCP_HANDSHAKE: ProbeNumber.tcp_handshake,
  PROBE_DNS: ProbeNumber.dns,
  PROBE_LISTENER: ProbeNumber.listener,
  PROBE_NAME_LOOKUP: ProbeNumber.name_lookup,
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
  SIDE_CLIENT: 1,
  SIDE_RESOLVER: 2,
  TRANSPORT_UDP: 1,
  TRANSPORT_TCP: 2,
  DNS_ANSWERED: 1,
  DNS_LATE: 2,
  DNS_UNANSWERED: 3,
  DNS_FLAG_TRUNCATED: DnsFlag.truncated,
  DNS_FLAG_SEVERAL_QUESTIONS: DnsFlag.severalQuestions,
  DNS_FLAG_SOCKET_CLOSED: DnsFlag.socketClosed,
  DNS_FLAG_ASKED_AGAIN: DnsFlag.askedAgain,
  DNS_FLAG_NO_QUESTION_IN_ANSWER: DnsFlag.noQuestionInAnswer,
  DNS_NAME_LENGTH_MAX,
  NAME_LOOKUP_FLAG_CUT: NameLookupFlag.cut,
  LOOKUP_NAME_LENGTH_MAX,
  DROP_BUFFER_FULL: 1,
  DROP_MEMORY_LIMIT: 2,
  PROCESS_NAME_LENGTH,
  SLOT_COUNT,
  SLOT_PORTS_MAX,
  SLOT_PREFIXES_MAX,
  SLOT_PROCESS_NAMES_MAX,
  SLOT_DNS_PORTS_MAX,
  SLOT_QUERY_NAMES_MAX,
  SLOT_QUERY_TYPES_MAX,
  SLOT_RESPONSE_CODES_MAX,
};
