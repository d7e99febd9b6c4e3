/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What handshake.bpf.c and the loader share inside the probe: map keys and values. Never leaves the host. */
#ifndef SYNSCOPE_HANDSHAKE_H
#define SYNSCOPE_HANDSHAKE_H

#include "filter.h"
#include "probe_wire.h"

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

#endif
