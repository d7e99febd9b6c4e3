/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The wire between the kernel programs, synscope-probe and the agent. Everything is little-endian (host order on the machines that
 * we build for), naturally aligned, without implicit padding. `synscope-probe --print-layout` prints it as JSON; a test holds the
 * TypeScript decoder (libs/probe-wire) against that.
 *
 * Stream in both directions: frames of `struct frame_header` + payload.
 */
#ifndef SYNSCOPE_PROBE_WIRE_H
#define SYNSCOPE_PROBE_WIRE_H

#include <linux/types.h>

/* Raised with every change that an older reader would misread. */
#define PROBE_WIRE_VERSION 2

/* "Not measured", by width. */
#define UNKNOWN_U64 0xffffffffffffffffULL
#define UNKNOWN_U32 0xffffffffU
#define UNKNOWN_U16 0xffffU
#define UNKNOWN_U8 0xffU

enum frame_type {
	/* probe → agent */
	FRAME_HELLO = 1,      /* JSON, once, first */
	FRAME_HANDSHAKES = 2, /* struct records_header, then handshake_records to the end of the payload */
	FRAME_STATS = 3,      /* JSON, every few seconds while attached and before each FRAME_CONFIGURED */
	FRAME_CONFIGURED = 4, /* JSON, the answer to each FRAME_CONFIGURE; every record of an older revision precedes it */
	FRAME_DIAGNOSTIC = 5, /* JSON, something a person should know */
	FRAME_DNS_QUERIES = 6,         /* struct records_header, then dns_query_records, each with its name */
	FRAME_NAME_LOOKUPS = 7,        /* struct records_header, then name_lookup_records, each with its name */
	FRAME_RECEIVE_QUEUE_DROPS = 8, /* struct records_header, then receive_queue_drop_records */
	FRAME_LISTENERS = 9,           /* struct records_header, then listener_records */
	/* agent → probe */
	FRAME_CONFIGURE = 16, /* struct configure_header, then slot_count slots */
};

/* A longer payload is a protocol error, after which the reader ends. */
#define FRAME_PAYLOAD_MAX (1U << 20)

struct frame_header {
	__u32 length; /* of the payload, bytes */
	__u16 type;   /* enum frame_type */
	__u16 reserved;
};

/* Each is configured, attached and counted by itself. Equal to Probe of proto/synscope/agent/v1/session.proto. */
enum probe {
	PROBE_TCP_HANDSHAKE = 1,
	PROBE_DNS = 2,
	PROBE_LISTENER = 3,
	PROBE_NAME_LOOKUP = 4,
};
#define PROBE_LAST PROBE_NAME_LOOKUP

/* Begins every frame of records. */
struct records_header {
	__s64 wall_offset_ns; /* CLOCK_REALTIME − CLOCK_MONOTONIC when the frame was filled */
};

enum handshake_role {
	ROLE_CLIENT = 1,
	ROLE_SERVER = 2,
};

/* Equal to HandshakeOutcome of proto/synscope/agent/v1/session.proto. */
enum handshake_outcome {
	OUTCOME_ESTABLISHED = 1,
	OUTCOME_REFUSED = 2,
	OUTCOME_TIMED_OUT = 3,
	OUTCOME_UNREACHABLE = 4,
	OUTCOME_ABORTED = 5,
	OUTCOME_RESET = 6,
};
#define OUTCOME_LAST OUTCOME_RESET

enum handshake_flag {
	/* Equal to HandshakeColumns.flags of proto/synscope/agent/v1/records.proto. */
	FLAG_SYN_COOKIE = 1,
	FLAG_FAST_OPEN = 2,
	FLAG_MPTCP = 4,
	FLAG_NOT_YET_ACCEPTED = 8,
	FLAG_SIMULTANEOUS_OPEN = 16,
	/* On this wire only. */
	FLAG_CLIENT_ISN_KNOWN = 256,
	FLAG_SERVER_ISN_KNOWN = 512,
};

#define PROCESS_NAME_LENGTH 16 /* TASK_COMM_LEN of include/linux/sched.h, with its NUL */

struct handshake_record {
	__u64 observed_ns;    /* CLOCK_MONOTONIC: ESTABLISHED, or the failure */
	__u64 slots;          /* bit n: matched the session in slot n of `revision` */
	__u64 latency_ns;     /* client: SYN_SENT → end; server: SYN_RECV → ESTABLISHED; or UNKNOWN_U64 */
	__u64 accept_wait_ns; /* server: ESTABLISHED → accept() returned; or UNKNOWN_U64 */
	__u64 cgroup_id;      /* cgroup v2 id of the process; 0 = not known */
	__u8 local_address[16]; /* network order, IPv4 as ::ffff:a.b.c.d */
	__u8 remote_address[16];
	__u32 revision; /* of the FRAME_CONFIGURE whose slots these are */
	__u32 client_isn; /* valid if FLAG_CLIENT_ISN_KNOWN */
	__u32 server_isn; /* valid if FLAG_SERVER_ISN_KNOWN */
	__u32 srtt_us;    /* or UNKNOWN_U32 */
	__u32 netns;      /* inode; 0 = not known */
	__u32 pid;        /* tgid in the host's pid namespace; 0 = not known */
	__u16 local_port; /* host order */
	__u16 remote_port;
	__u16 syn_retransmits;     /* or UNKNOWN_U16 */
	__u16 syn_ack_retransmits; /* or UNKNOWN_U16 */
	__u16 flags;               /* enum handshake_flag */
	__u8 role;                 /* enum handshake_role */
	__u8 outcome;              /* enum handshake_outcome */
	__u32 reserved;
	char process_name[PROCESS_NAME_LENGTH]; /* any bytes but NUL, NUL-padded; all NUL = not known */
};

/* Equal to DnsSide, DnsTransport and DnsOutcome of proto/synscope/agent/v1/session.proto. */
enum dns_side {
	SIDE_CLIENT = 1,
	SIDE_RESOLVER = 2,
};

enum dns_transport {
	TRANSPORT_UDP = 1,
	TRANSPORT_TCP = 2,
};

enum dns_outcome {
	DNS_ANSWERED = 1,
	DNS_LATE = 2,
	DNS_UNANSWERED = 3,
};
#define DNS_OUTCOME_LAST DNS_UNANSWERED

/* Equal to DnsQueryColumns.flags of proto/synscope/agent/v1/records.proto. */
enum dns_flag {
	DNS_FLAG_TRUNCATED = 1,
	DNS_FLAG_SEVERAL_QUESTIONS = 2,
	DNS_FLAG_SOCKET_CLOSED = 4,
	DNS_FLAG_ASKED_AGAIN = 8,
	DNS_FLAG_NO_QUESTION_IN_ANSWER = 16,
};

#define DNS_NAME_LENGTH_MAX 255 /* RFC 1035 §2.3.4: length bytes and the root's included */

/*
 * As long as its name needs: the next record begins at `name` + name_length, rounded up to 8 bytes. The space between is 0.
 */
struct dns_query_record {
	__u64 observed_ns; /* CLOCK_MONOTONIC: the answer; or when the query was given up */
	__u64 slots;       /* bit n: matched the session in slot n of `revision` */
	__u64 elapsed_ns;  /* query → answer, or → given up */
	__u64 lookup_id;   /* below 2^52; 0 = not known */
	__u64 cgroup_id;   /* cgroup v2 id of the process; 0 = not known */
	__u8 client_address[16]; /* network order, IPv4 as ::ffff:a.b.c.d */
	__u8 server_address[16];
	__u32 revision; /* of the FRAME_CONFIGURE whose slots these are */
	__u32 netns;    /* inode; 0 = not known */
	__u32 pid;      /* tgid in the host's pid namespace; 0 = not known */
	__u16 client_port; /* host order */
	__u16 server_port;
	__u16 query_type;
	__u16 query_class;
	__u16 message_id;
	__u16 response_code; /* or UNKNOWN_U16 */
	__u16 answer_count;  /* or UNKNOWN_U16 */
	__u16 attempt;       /* from 1; 0 = not known */
	__u16 flags;         /* enum dns_flag */
	__u8 side;           /* enum dns_side */
	__u8 transport;      /* enum dns_transport */
	__u8 outcome;        /* enum dns_outcome */
	__u8 name_length;    /* 1–DNS_NAME_LENGTH_MAX */
	__u16 reserved[3];
	char process_name[PROCESS_NAME_LENGTH]; /* any bytes but NUL, NUL-padded; all NUL = not known */
	__u8 name[DNS_NAME_LENGTH_MAX + 1];     /* wire form (RFC 1035 §3.1), as asked, with the root's length byte */
};

enum name_lookup_flag {
	NAME_LOOKUP_FLAG_CUT = 1, /* Equal to NameLookupColumns.flags. */
};

#define LOOKUP_NAME_LENGTH_MAX 255

/* As long as its name needs, like struct dns_query_record. */
struct name_lookup_record {
	__u64 observed_ns; /* CLOCK_MONOTONIC: getaddrinfo() returned */
	__u64 slots;
	__u64 latency_ns; /* call → return */
	__u64 cgroup_id;
	__u32 revision;
	__u32 netns;
	__u32 pid;
	__s32 result_code; /* 0 or EAI_… */
	__u16 family;      /* of the hints; 0 = any */
	__u16 flags;       /* enum name_lookup_flag */
	__u8 name_length;  /* 1–LOOKUP_NAME_LENGTH_MAX, without a NUL */
	__u8 reserved[3];
	char process_name[PROCESS_NAME_LENGTH];
	__u8 name[LOOKUP_NAME_LENGTH_MAX + 1]; /* any bytes but NUL, as the application gave it */
};

/* Equal to ReceiveQueueDropCause of proto/synscope/agent/v1/records.proto. */
enum receive_queue_drop_cause {
	DROP_BUFFER_FULL = 1,
	DROP_MEMORY_LIMIT = 2,
};

/* What one UDP socket on a DNS port could not take within about a second. */
struct receive_queue_drop_record {
	__u64 observed_ns; /* CLOCK_MONOTONIC: the end of the interval */
	__u64 slots;
	__u64 interval_ns;
	__u64 drops;     /* datagrams */
	__u64 cgroup_id; /* 0 = not known */
	__u8 local_address[16]; /* what the socket is bound to, network order, IPv4 as ::ffff:a.b.c.d */
	__u32 revision;
	__u32 netns;
	__u32 pid;
	__u32 receive_buffer_bytes;
	__u16 local_port;
	__u8 cause; /* enum receive_queue_drop_cause */
	__u8 side;  /* enum dns_side */
	__u32 reserved;
	char process_name[PROCESS_NAME_LENGTH];
};

/* One listening socket over an interval; the fields mean what those of ListenerColumns in proto/synscope/agent/v1/records.proto do. */
struct listener_record {
	__u64 observed_ns; /* CLOCK_MONOTONIC: the end of the interval */
	__u64 slots;
	__u64 interval_ns;
	__u64 socket_cookie;
	__u64 cgroup_id; /* of the process, or else of the socket; 0 = not known */
	__u64 syns;
	__u64 syns_refused_accept_queue_full;
	__u64 syns_refused_syn_queue_full;
	__u64 syns_refused_unexplained;
	__u64 syns_answered_by_cookie;
	__u64 acks_dropped_accept_queue_full;
	__u64 acks_dropped_on_cookie_path;
	__u64 drops; /* or UNKNOWN_U64 */
	__u8 local_address[16]; /* network order, IPv4 as ::ffff:a.b.c.d */
	__u32 revision;
	__u32 netns;
	__u32 pid; /* of the process that holds it; 0 = not known */
	__u32 accept_queue_length;
	__u32 accept_queue_limit;
	__u32 accept_queue_peak;
	__u32 syn_queue_length;
	__u32 syn_queue_peak;
	__u32 somaxconn;           /* or UNKNOWN_U32 */
	__u32 tcp_max_syn_backlog; /* or UNKNOWN_U32 */
	__u16 local_port;
	__u8 tcp_syncookies;        /* or UNKNOWN_U8 */
	__u8 tcp_abort_on_overflow; /* or UNKNOWN_U8 */
	__u32 reserved;
	char process_name[PROCESS_NAME_LENGTH];
};

#define SLOT_COUNT 64
/* Limits per slot; the control plane refuses longer lists, so does the probe. */
#define SLOT_PORTS_MAX 64
#define SLOT_PREFIXES_MAX 64
#define SLOT_PROCESS_NAMES_MAX 32
#define SLOT_DNS_PORTS_MAX 8
#define SLOT_QUERY_NAMES_MAX 64
#define SLOT_QUERY_TYPES_MAX 32
#define SLOT_RESPONSE_CODES_MAX 32

/* The whole desired state: slots that are not listed are freed; no slot at all detaches everything. */
struct configure_header {
	__u32 revision;   /* rises with every configure of one probe */
	__u32 slot_count; /* 0–SLOT_COUNT */
};

/*
 * One slot. Directly behind it, unaligned, its lists in the order of their counts; an empty list matches all (dns_ports: 53).
 * Ports, types and codes are __u16; prefixes struct address_prefix; process names char[PROCESS_NAME_LENGTH]; query names and suffixes a length byte
 * (1–253), then so many bytes: lower case, labels joined by dots, no final dot. A suffix matches the name itself and what is below it.
 */
struct configure_slot {
	__u64 min_latency_ns;    /* what is faster is left out; what failed always passes */
	__u32 sample_threshold;  /* kept if a hash (client ISN; id and name of a query) <= threshold; UNKNOWN_U32 = keep all */
	__u8 slot;               /* 0–63 */
	__u8 probes;             /* bit (enum probe − 1), at least one */
	__u8 roles;              /* tcp_handshake: bit (role − 1); 0 = all */
	__u8 dns_sides;          /* dns: bit (side − 1); 0 = all */
	__u16 outcomes;          /* tcp_handshake: bit (outcome − 1); 0 = all */
	__u16 dns_outcomes;      /* dns: bit (outcome − 1); 0 = all */
	__u16 remote_port_count; /* tcp_handshake */
	__u16 local_port_count;  /* tcp_handshake, listener */
	__u16 remote_prefix_count; /* tcp_handshake */
	__u16 process_name_count;  /* every probe */
	__u16 dns_port_count;      /* dns */
	__u16 dns_server_prefix_count; /* dns: the resolver's address */
	__u16 query_type_count;        /* dns */
	__u16 response_code_count;     /* dns: what is not answered has none */
	__u16 query_name_count;        /* dns, name_lookup */
	__u16 query_name_suffix_count; /* dns, name_lookup */
};

struct address_prefix {
	__u8 length; /* 0–128, IPv4 prefixes + 96 */
	__u8 address[16]; /* network order, IPv4 as ::ffff:a.b.c.d */
};

#endif
