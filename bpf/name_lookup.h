/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What name_lookup.bpf.c and the loader share inside the probe. Never leaves the host. */
#ifndef SYNSCOPE_NAME_LOOKUP_H
#define SYNSCOPE_NAME_LOOKUP_H

#include "probe_wire.h"

/* A call of getaddrinfo() that has not returned, by bpf_get_current_pid_tgid() of its thread. */
struct pending_lookup {
	/* Filled when the call returns; here, because it is too large for a program's stack, and first, because the verifier takes it for a few bytes longer. */
	struct name_lookup_record record;
	__u64 start_ns;
	__u64 node; /* the caller's pointers */
	__u64 hints;
	__u64 stack_pointer; /* at the call */
};

#endif
