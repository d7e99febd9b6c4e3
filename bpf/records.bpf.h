/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The way out of the kernel for finished records, and the count of what was lost. Each object includes it once. */
#ifndef SYNSCOPE_RECORDS_BPF_H
#define SYNSCOPE_RECORDS_BPF_H

#include "counters.h"

/*
 * Set by the loader before the load: userspace is woken when so many bytes wait; below, the loader's own timer fetches them. One wake-up per record
 * costs more than all else.
 */
const volatile __u64 wakeup_bytes = 256 * 1024;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 2 * 1024 * 1024); /* the loader sets it */
} records SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct counters);
} counts SEC(".maps");

static __always_inline struct counters *counters(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&counts, &zero);
}

static __always_inline __u64 wakeup_flag(void)
{
	return bpf_ringbuf_query(&records, BPF_RB_AVAIL_DATA) >= wakeup_bytes ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP;
}

static __always_inline void count_table_full(void)
{
	struct counters *c = counters();

	if (c)
		c->pending_table_full++;
}

#endif
