/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What handshake.bpf.c and the loader share inside the probe: map keys and values. Never leaves the host. */
#ifndef SYNSCOPE_HANDSHAKE_H
#define SYNSCOPE_HANDSHAKE_H

#include "probe_wire.h"

/*
 * A step function over 64-bit values: at `value` the slots of the last step whose `from` is at most `value` apply. 128 steps = the
 * power of two above SLOT_COUNT + 1, so that the search is a fixed seven halvings. Unused steps have from = UNKNOWN_U64.
 */
#define STEP_COUNT 128
struct slot_step {
	__u64 from;
	__u64 slots;
};

/*
 * All sessions' filters, turned inside out: for each criterion the set of slots that it lets through, so that the cost of a handshake
 * does not grow with the number of sessions. Two generations: the loader fills the idle one and then flips `active_generation`.
 */
struct filter {
	__u32 revision;
	__u32 reserved;
	__u64 role_slots[3];                   /* by enum handshake_role */
	__u64 outcome_slots[OUTCOME_LAST + 1]; /* by enum handshake_outcome */
	/* Slots that do not restrict the criterion; the maps hold the others. */
	__u64 any_remote_port;
	__u64 any_local_port;
	__u64 any_remote_prefix;
	__u64 any_process_name;
	__u64 any_latency;
	__u64 unsampled;
	struct slot_step latency[STEP_COUNT]; /* over nanoseconds */
	struct slot_step sample[STEP_COUNT];  /* over the 32-bit hash of the client ISN */
};

struct port_key {
	__u32 generation;
	__u16 port;
	__u8 remote; /* 1 remote, 0 local */
	__u8 reserved;
};

struct prefix_key {
	__u32 prefix_length; /* bits of what follows: 8 for the generation + the address prefix */
	__u8 generation;
	__u8 address[16];
	__u8 reserved[3];
};

struct process_name_key {
	__u32 generation;
	char name[PROCESS_NAME_LENGTH];
};

/* Both ends as the local host sees them, addresses and ports as in struct handshake_record. */
struct endpoints {
	__u8 local_address[16];
	__u8 remote_address[16];
	__u16 local_port;
	__u16 remote_port;
	__u32 reserved;
};

/* The server's side of a handshake between the accepted SYN and accept(). */
struct pending {
	__u64 claims;           /* of its place in the table; see handshake/table.bpf.h */
	__u64 cookie;           /* of the socket; 0 = a free entry */
	__u64 syn_ns;           /* SYN_RECV; 0 = there was no request socket */
	__u64 established_ns;   /* 0 = not yet */
	__u64 last_activity_ns; /* SYN_RECV, or the last SYN-ACK retransmission */
	__u64 slots;            /* candidates when it was made, by `revision` */
	struct endpoints ends;
	__u32 revision;
	__u32 client_isn;
	__u32 server_isn;
	__u32 srtt_us;
	__u32 netns;
	__u16 syn_ack_retransmits;
	__u16 flags; /* enum handshake_flag */
	/* TCP Fast Open: accept() may come before ESTABLISHED. */
	__u64 accepted_cgroup_id;
	__u32 accepted_pid;
	__u32 reserved;
	char accepted_name[PROCESS_NAME_LENGTH];
};

/* The client's side between connect() and its end. */
struct attempt {
	__u64 claims; /* of its place in the table; see handshake/table.bpf.h */
	__u64 cookie; /* of the socket; 0 = a free entry */
	__u64 start_ns;
	__u64 cgroup_id;
	__u64 slots; /* candidates when it was made, by `revision` */
	__u32 revision;
	__u32 pid;
	__u32 retransmits_before; /* of the socket, from an earlier attempt */
	__u16 flags;              /* enum handshake_flag */
	__u8 set_state_callback;
	__u8 reserved;
	char process_name[PROCESS_NAME_LENGTH];
};

/* A request socket by its 4-tuple, for a segment that carries nothing else; see request_index. */
#define REQUEST_INDEX_SIZE 8192
struct request_entry {
	__u64 hash;
	__u64 cookie;
};

/* Per CPU; all count since the object was loaded. */
struct counters {
	__u64 emitted;
	__u64 ring_full;
	__u64 pending_table_full;
	__u64 unfinished; /* attempts and requests that were under way at detach */
};

#endif
