/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What dns.bpf.c and the loader share inside the probe: map keys and values. Never leaves the host. */
#ifndef SYNSCOPE_DNS_H
#define SYNSCOPE_DNS_H

#include "filter.h"
#include "probe_wire.h"

#define DNS_HEADER_BYTES 12 /* RFC 1035 §4.1.1 */
#define DNS_QUESTION_BYTES_MAX (DNS_NAME_LENGTH_MAX + 4)
#define DNS_OPT_BYTES 11 /* of an OPT record without options, RFC 6891 §6.1.2 */
/* As much of a message as is looked at: header, the first question, and an OPT record directly behind it; in whole words. */
#define DNS_MESSAGE_BYTES 288

/* What identifies a query besides its question. */
struct dns_place {
	__u8 client_address[16];
	__u8 server_address[16];
	__u16 client_port;
	__u16 server_port;
	__u16 message_id;
	__u8 side;
	__u8 transport;
};

/* A query between its sight and its end. */
struct dns_query {
	__u64 claims; /* of its place in the table; see dns/queries.bpf.h */
	__u64 place;  /* hash of its struct dns_place */
	__u64 name;   /* hash of its name in lower case */
	__u64 cookie; /* of the socket */
	__u64 asked_ns;
	__u64 lookup; /* key and way of its struct dns_lookup */
	__u64 way;    /* to its place in the table */
	__u64 label_starts[4]; /* as in struct dns_message */
	struct dns_query_record record; /* what is known so far; observed_ns, elapsed_ns, outcome and slots at the end */
};

/*
 * The first entries of the table of queries are for all, and nearly always enough: what few queries are under way lie together in the CPU's caches. The last
 * of them begins its WAYS places at CLOSE_QUERIES - 1; behind them lie the places for each query by itself.
 */
#define WAYS 4
#define CLOSE_QUERIES 256
#define FAR_QUERIES_BEGIN (CLOSE_QUERIES + WAYS)

/* A message that is being looked at, and the query that is made from it. Per CPU there is one for each context that may interrupt another. */
#define MESSAGE_CONTEXTS 4
struct dns_message {
	__u64 claims;
	__u64 now_ns;
	__u64 cookie;
	__u64 name;       /* hash */
	__u64 place_hash; /* of `place`; 0 = not known yet */
	__u64 label_starts[4]; /* bit n: byte n of the name is the length of a label */
	struct dns_place place;
	__u32 available; /* bytes of the message in `bytes` that are valid */
	__u32 netns;     /* 0 = not known */
	__u16 header_flags;
	__u16 response_code;
	__u16 answer_count;
	__u16 question_count;
	__u16 query_type;
	__u16 query_class;
	__u8 egress;
	__u8 to_server;   /* by its ports: from a client to a resolver */
	__u8 name_length; /* 0: the message has no question */
	__u8 either_way;  /* both ports are DNS ports: the message itself tells which way it goes (QR) */
	__u8 reserved[4]; /* so that the name, 12 bytes into the message, begins a word: it is copied by words */
	__u8 bytes[DNS_MESSAGE_BYTES];
	__u8 reserved_behind[4];
	/* Where a query is made when the table has no place for it, or looked at once more. */
	struct dns_query query;
};

/* Who sends by a socket, as seen at connect() or sendmsg(). */
#define SENDER_SETS 4096
struct dns_sender {
	__u64 cookie;
	__u64 used_ns;
	__u64 cgroup_id;
	__u64 thread; /* bpf_get_current_pid_tgid() */
	__u32 netns;
	__u32 pid;
	char process_name[PROCESS_NAME_LENGTH];
};

/* One direction of a TCP connection, cut into messages. */
#define STREAM_BYTES (2 + DNS_MESSAGE_BYTES)
struct dns_stream_half {
	__u32 next_sequence;
	__u32 skip;    /* bytes until the next message */
	__u32 length;  /* of the message that is under way */
	__u16 have;    /* bytes of its length prefix and its beginning in `bytes` */
	__u8 followed; /* 1 = in step; 0 = not begun */
	__u8 lost;     /* 1 = out of step, for good */
	__u8 bytes[2 * STREAM_BYTES]; /* twice: so that the verifier needs not know how `have` and what is read add up */
	__u8 reserved[4];
};

#define STREAM_SETS 256
struct dns_stream {
	__u64 cookie;
	__u64 used_ns;
	struct dns_stream_half halves[2]; /* [egress] */
};

/* Datagrams that a socket could not take. Two periods: the loader flips `drop_period`, then reads and removes what the other one has. */
struct drop_key {
	__u64 socket; /* its address */
	__u32 cause;  /* enum receive_queue_drop_cause */
	__u32 period;
};

struct drop_value {
	__u64 drops;
	struct receive_queue_drop_record record; /* what is known at the first drop */
};

#endif
