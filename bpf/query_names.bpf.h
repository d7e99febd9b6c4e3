/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Which sessions ask for a name. Each object that knows names includes it once. */
#ifndef SYNSCOPE_QUERY_NAMES_BPF_H
#define SYNSCOPE_QUERY_NAMES_BPF_H

#include "filter.bpf.h"
#include "query_names.h"

/* Set by the loader before the load. */
const volatile __u64 query_name_seed = 0;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 2 * 2 * SLOT_COUNT * SLOT_QUERY_NAMES_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct query_name_key);
	__type(value, __u64);
} query_name_slots SEC(".maps");

static __always_inline __u64 slots_by_name_hash(__u64 hash, bool suffix)
{
	struct query_name_key key = {.hash = hash, .generation = generation(), .suffix = suffix};
	__u64 *slots = bpf_map_lookup_elem(&query_name_slots, &key);

	return slots ? *slots : 0;
}

#endif
