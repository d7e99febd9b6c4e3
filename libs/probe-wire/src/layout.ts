/**
 * The structs of bpf/probe_wire.h in TypeScript: what `synscope-probe --print-layout` prints. layout.test.ts holds the two against each
 * other, so that a field cannot move on one side only.
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

const frameHeader = {
  size: 8,
  fields: {
    length: { offset: 0, size: 4 },
    type: { offset: 4, size: 2 },
    reserved: { offset: 6, size: 2 },
  },
} as const satisfies StructLayout;

const recordsHeader = {
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

const dnsQueryRecord = {
  size: 384,
  fields: {
    observed_ns: { offset: 0, size: 8 },
    slots: { offset: 8, size: 8 },
    elapsed_ns: { offset: 16, size: 8 },
    lookup_id: { offset: 24, size: 8 },
    cgroup_id: { offset: 32, size: 8 },
    client_address: { offset: 40, size: 16 },
    server_address: { offset: 56, size: 16 },
    revision: { offset: 72, size: 4 },
    netns: { offset: 76, size: 4 },
    pid: { offset: 80, size: 4 },
    client_port: { offset: 84, size: 2 },
    server_port: { offset: 86, size: 2 },
    query_type: { offset: 88, size: 2 },
    query_class: { offset: 90, size: 2 },
    message_id: { offset: 92, size: 2 },
    response_code: { offset: 94, size: 2 },
    answer_count: { offset: 96, size: 2 },
    attempt: { offset: 98, size: 2 },
    flags: { offset: 100, size: 2 },
    side: { offset: 102, size: 1 },
    transport: { offset: 103, size: 1 },
    outcome: { offset: 104, size: 1 },
    name_length: { offset: 105, size: 1 },
    reserved: { offset: 106, size: 6 },
    process_name: { offset: 112, size: 16 },
    name: { offset: 128, size: 256 },
  },
} as const satisfies StructLayout;

const nameLookupRecord = {
  size: 328,
  fields: {
    observed_ns: { offset: 0, size: 8 },
    slots: { offset: 8, size: 8 },
    latency_ns: { offset: 16, size: 8 },
    cgroup_id: { offset: 24, size: 8 },
    revision: { offset: 32, size: 4 },
    netns: { offset: 36, size: 4 },
    pid: { offset: 40, size: 4 },
    result_code: { offset: 44, size: 4 },
    family: { offset: 48, size: 2 },
    flags: { offset: 50, size: 2 },
    name_length: { offset: 52, size: 1 },
    reserved: { offset: 53, size: 3 },
    process_name: { offset: 56, size: 16 },
    name: { offset: 72, size: 256 },
  },
} as const satisfies StructLayout;

const receiveQueueDropRecord = {
  size: 96,
  fields: {
    observed_ns: { offset: 0, size: 8 },
    slots: { offset: 8, size: 8 },
    interval_ns: { offset: 16, size: 8 },
    drops: { offset: 24, size: 8 },
    cgroup_id: { offset: 32, size: 8 },
    local_address: { offset: 40, size: 16 },
    revision: { offset: 56, size: 4 },
    netns: { offset: 60, size: 4 },
    pid: { offset: 64, size: 4 },
    receive_buffer_bytes: { offset: 68, size: 4 },
    local_port: { offset: 72, size: 2 },
    cause: { offset: 74, size: 1 },
    side: { offset: 75, size: 1 },
    reserved: { offset: 76, size: 4 },
    process_name: { offset: 80, size: 16 },
  },
} as const satisfies StructLayout;

const listenerRecord = {
  size: 184,
  fields: {
    observed_ns: { offset: 0, size: 8 },
    slots: { offset: 8, size: 8 },
    interval_ns: { offset: 16, size: 8 },
    socket_cookie: { offset: 24, size: 8 },
    cgroup_id: { offset: 32, size: 8 },
    syns: { offset: 40, size: 8 },
    syns_refused_accept_queue_full: { offset: 48, size: 8 },
    syns_refused_syn_queue_full: { offset: 56, size: 8 },
    syns_refused_unexplained: { offset: 64, size: 8 },
    syns_answered_by_cookie: { offset: 72, size: 8 },
    acks_dropped_accept_queue_full: { offset: 80, size: 8 },
    acks_dropped_on_cookie_path: { offset: 88, size: 8 },
    drops: { offset: 96, size: 8 },
    local_address: { offset: 104, size: 16 },
    revision: { offset: 120, size: 4 },
    netns: { offset: 124, size: 4 },
    pid: { offset: 128, size: 4 },
    accept_queue_length: { offset: 132, size: 4 },
    accept_queue_limit: { offset: 136, size: 4 },
    accept_queue_peak: { offset: 140, size: 4 },
    syn_queue_length: { offset: 144, size: 4 },
    syn_queue_peak: { offset: 148, size: 4 },
    somaxconn: { offset: 152, size: 4 },
    tcp_max_syn_backlog: { offset: 156, size: 4 },
    local_port: { offset: 160, size: 2 },
    tcp_syncookies: { offset: 162, size: 1 },
    tcp_abort_on_overflow: { offset: 163, size: 1 },
    reserved: { offset: 164, size: 4 },
    process_name: { offset: 168, size: 16 },
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
  size: 40,
  fields: {
    min_latency_ns: { offset: 0, size: 8 },
    sample_threshold: { offset: 8, size: 4 },
    slot: { offset: 12, size: 1 },
    probes: { offset: 13, size: 1 },
    roles: { offset: 14, size: 1 },
    dns_sides: { offset: 15, size: 1 },
    outcomes: { offset: 16, size: 2 },
    dns_outcomes: { offset: 18, size: 2 },
    remote_port_count: { offset: 20, size: 2 },
    local_port_count: { offset: 22, size: 2 },
    remote_prefix_count: { offset: 24, size: 2 },
    process_name_count: { offset: 26, size: 2 },
    dns_port_count: { offset: 28, size: 2 },
    dns_server_prefix_count: { offset: 30, size: 2 },
    query_type_count: { offset: 32, size: 2 },
    response_code_count: { offset: 34, size: 2 },
    query_name_count: { offset: 36, size: 2 },
    query_name_suffix_count: { offset: 38, size: 2 },
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
  records_header: recordsHeader,
  handshake_record: handshakeRecord,
  dns_query_record: dnsQueryRecord,
  name_lookup_record: nameLookupRecord,
  receive_queue_drop_record: receiveQueueDropRecord,
  listener_record: listenerRecord,
  configure_header: configureHeader,
  configure_slot: configureSlot,
  address_prefix: addressPrefix,
} as const;
