/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What listener.bpf.c and the loader share inside the probe: map keys and values. Never leaves the host. */
#ifndef SYNSCOPE_LISTENER_H
#define SYNSCOPE_LISTENER_H

#include "filter.h"
#include "probe_wire.h"

/* What becomes of a segment at a listener unless a callback tells otherwise. */
enum listener_event {
	SYN_REFUSED_ACCEPT_QUEUE_FULL,
	SYN_REFUSED_SYN_QUEUE_FULL,
	SYN_REFUSED_UNEXPLAINED,
	SYN_ANSWERED_BY_COOKIE,
	ACK_DROPPED_ACCEPT_QUEUE_FULL,
	ACK_DROPPED_ON_COOKIE_PATH,
	LISTENER_EVENTS,
};

/* Rising since the entry was made. */
struct listener_counts {
	__u64 syns;
	__u64 events[LISTENER_EVENTS];
};

struct listener_peaks {
	__u32 period; /* the one that they are of */
	__u32 accept_queue;
	__u32 syn_queue;
	__u32 reserved;
};

/*
 * A listening socket. Counts and peaks are kept by period & 1: the loader ends a period and reads what it holds a moment later, when every segment of
 * it has met its fate.
 */
struct listener {
	__u64 socket; /* the kernel's address of it; believed only while what is there has the cookie */
	__u64 first_seen_ns;
	__u64 reported_ns;
	struct listener_counts counted[2];
	struct listener_counts reported[2];
	struct listener_peaks peaks[2];
	__u32 sampled_period; /* 0 = never */
	__u32 report_round;   /* of the last report; see report_round in listener/reports.bpf.h */
	__u32 drops_sampled;  /* sk_drops at the last sample, or when the entry was made */
	__u32 drops_before;   /* at the sample before */
	__u32 owners_walk;    /* the walk that found the process; see listener/owners.bpf.h */
	__u8 owner_sought;
	__u8 gone;
	__u16 reserved;
	struct listener_record record; /* counts and times only when it is reported */
};

/* A segment that reached a listener, and whose fate is not known yet. */
struct listener_segment {
	__u64 listener; /* its cookie; 0 = none */
	__u32 ports;    /* the remote one above the local one, host order */
	__u16 event;    /* enum listener_event, counted already */
	__u8 period;    /* & 1: where it was counted */
	__u8 at_limit;  /* the SYN queue held exactly as many as its limit */
};

/* A SYN that was answered by a cookie, by a hash of its connection. */
#define COOKIE_SYNS 16384
struct cookie_syn {
	__u64 hash;
	__u32 client_isn;
	__u32 seconds; /* CLOCK_MONOTONIC */
};

/* Listening sockets that are watched at once. */
#define LISTENERS_MAX 8192

#endif
