/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Which sessions a record belongs to: what the filters of all probes have in common. Each object includes it once. */
#ifndef SYNSCOPE_FILTER_BPF_H
#define SYNSCOPE_FILTER_BPF_H

#include "filter.h"

/* Set by the loader. */
volatile __u32 active_generation = 0;
struct filter filters[2];

/* Filter criteria that name values; written by the loader only. Room for two lists of the longest, in both generations. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 2 * 2 * SLOT_COUNT * SLOT_PORTS_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct value_key);
	__type(value, __u64);
} value_slots SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 2 * SLOT_COUNT * SLOT_PREFIXES_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct prefix_key);
	__type(value, __u64);
} prefix_slots SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 2 * SLOT_COUNT * SLOT_PROCESS_NAMES_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct process_name_key);
	__type(value, __u64);
} process_name_slots SEC(".maps");

static __always_inline __u32 generation(void)
{
	return active_generation & 1;
}

/* Global functions are verified once, by themselves: their seven halvings do not multiply the paths of the callers. */
__noinline __u64 slots_by_latency(__u64 latency_ns)
{
	const struct slot_step *steps = filters[active_generation & 1].latency;
	__u32 at = 0;

	for (__u32 half = STEP_COUNT / 2; half; half >>= 1)
		if (steps[(at + half) & (STEP_COUNT - 1)].from <= latency_ns)
			at += half;
	return steps[at & (STEP_COUNT - 1)].slots;
}

__noinline __u64 slots_by_sample(__u32 hash)
{
	const struct slot_step *steps = filters[active_generation & 1].sample;
	__u32 at = 0;

	for (__u32 half = STEP_COUNT / 2; half; half >>= 1)
		if (steps[(at + half) & (STEP_COUNT - 1)].from <= hash)
			at += half;
	return steps[at & (STEP_COUNT - 1)].slots;
}

static __always_inline __u64 slots_by_value(enum criterion criterion, __u32 value)
{
	struct value_key key = {.generation = generation(), .value = value, .criterion = criterion};
	__u64 *slots = bpf_map_lookup_elem(&value_slots, &key);

	return slots ? *slots : 0;
}

static __always_inline __u64 slots_by_prefix(const __u8 address[16])
{
	struct prefix_key key = {.prefix_length = 8 + 128, .generation = generation()};
	__u64 *slots;

	__builtin_memcpy(key.address, address, 16);
	slots = bpf_map_lookup_elem(&prefix_slots, &key);
	return slots ? *slots : 0;
}

static __always_inline __u64 slots_by_process_name(__u64 slots, const char *name)
{
	const struct filter *filter = &filters[generation()];
	struct process_name_key key = {.generation = generation()};
	__u64 *named;

	if (!(slots & ~filter->any_process_name))
		return slots;
	__builtin_memcpy(key.name, name, PROCESS_NAME_LENGTH);
	named = bpf_map_lookup_elem(&process_name_slots, &key);
	return slots & (filter->any_process_name | (named ? *named : 0));
}

#endif
