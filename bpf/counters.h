/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What each BPF object counts, per CPU, since it was loaded. Never leaves the host. */
#ifndef SYNSCOPE_COUNTERS_H
#define SYNSCOPE_COUNTERS_H

#include <linux/types.h>

struct counters {
	__u64 emitted;
	/* Lost: */
	__u64 ring_full;
	__u64 pending_table_full;
	__u64 unfinished; /* under way at detach */
	__u64 tcp_stream; /* dns: over a TCP connection whose stream could not be followed */
	/* Passed over: */
	__u64 malformed;   /* dns: on a DNS port, but no DNS message */
	__u64 unsolicited; /* dns: answers to no known query */
};

#endif
