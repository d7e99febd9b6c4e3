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
#define PROBE_WIRE_VERSION 1

/* "Not measured", by width. */
#define UNKNOWN_U64 0xffffffffffffffffULL
#define UNKNOWN_U32 0xffffffffU
#define UNKNOWN_U16 0xffffU

enum frame_type {
	/* probe → agent */
	FRAME_HELLO = 1,      /* JSON, once, first */
	FRAME_HANDSHAKES = 2, /* struct handshakes_header, then handshake_records to the end of the payload */
	FRAME_STATS = 3,      /* JSON, every few seconds while attached and before each FRAME_CONFIGURED */
	FRAME_CONFIGURED = 4, /* JSON, the answer to each FRAME_CONFIGURE; every record of an older revision precedes it */
	FRAME_DIAGNOSTIC = 5, /* JSON, something a person should know */
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

struct handshakes_header {
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

#define SLOT_COUNT 64
/* Limits per slot; the control plane refuses longer lists, so does the probe. */
#define SLOT_PORTS_MAX 64
#define SLOT_PREFIXES_MAX 64
#define SLOT_PROCESS_NAMES_MAX 32

/* The whole desired state: slots that are not listed are freed; no slot at all detaches everything. */
struct configure_header {
	__u32 revision;   /* rises with every configure of one probe */
	__u32 slot_count; /* 0–SLOT_COUNT */
};

/*
 * One slot; directly behind it, unaligned: __u16 remote_ports[], __u16 local_ports[], struct address_prefix remote_prefixes[],
 * char process_names[][PROCESS_NAME_LENGTH]. An empty list matches all.
 */
struct configure_slot {
	__u64 min_latency_ns;    /* faster established handshakes are left out; failed ones always pass */
	__u32 sample_threshold;  /* kept if hash(client ISN) <= threshold; UNKNOWN_U32 = keep all */
	__u8 slot;               /* 0–63 */
	__u8 roles;              /* bit (role − 1); 0 = all */
	__u16 outcomes;          /* bit (outcome − 1); 0 = all */
	__u16 remote_port_count;
	__u16 local_port_count;
	__u16 remote_prefix_count;
	__u16 process_name_count;
};

struct address_prefix {
	__u8 length; /* 0–128, IPv4 prefixes + 96 */
	__u8 address[16]; /* network order, IPv4 as ::ffff:a.b.c.d */
};

#endif
