/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The programs in the kernel: loaded once, attached while there are slots. */
#ifndef SYNSCOPE_KERNEL_H
#define SYNSCOPE_KERNEL_H

#include <linux/types.h>
#include <stdbool.h>

#include "output.h"
#include "slots.h"

struct kernel_options {
	const char *cgroup;         /* cgroup v2 folder whose sockets are watched; NULL = the mount of cgroup v2 */
	__u32 ring_bytes;           /* power of two, at least a page */
	__u32 pending_max;          /* size of the tables of unfinished handshakes, a power of two */
	__u64 accept_deadline_ns;   /* a server's record waits this long for accept() */
	__u32 dns_pending_max;      /* size of the table of unanswered DNS queries, a power of two */
	__u64 dns_deadline_ns;      /* a query without an answer for so long is unanswered */
	__u32 lookup_pending_max;   /* size of the table of getaddrinfo() calls that have not returned */
	__u32 cost_sample_seconds;  /* of attached time for which the kernel measures our run time; 0 = not at all */
};

/* Loads what this kernel takes. Never fails: what is missing is said by kernel_capabilities(). */
void kernel_load(const struct kernel_options *options);
/* Appends the capabilities array. */
void kernel_capabilities(struct json *json);
/* Puts the slots in force, attaching or detaching as needed, and appends what FRAME_CONFIGURED says behind its revision. */
void kernel_configure(const struct slots *slots, struct json *json);
bool kernel_attached(void);
/* Appends "attached" and "hooks" of FRAME_CONFIGURED. */
void kernel_hooks(struct json *json);
/* Readable when an observer's ring asks for a reader. */
int kernel_ring_descriptor(void);
/* For observers: adds a ring's descriptor, until it is closed. Returns 0 or a negative errno. */
int kernel_watch_ring(int descriptor);
/* Writes all waiting records. */
void kernel_consume(void);
/* About every second while attached: ends what nothing else will end. */
void kernel_sweep(void);
/* Appends the members of FRAME_STATS that the kernel knows. */
void kernel_stats(struct json *json);
/* Detaches and reports what waits. */
void kernel_end(void);

#endif
