/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Slots turned into the filter of one BPF object. */
#ifndef SYNSCOPE_PROBE_FILTER_H
#define SYNSCOPE_PROBE_FILTER_H

#include "../filter.h"
#include "slots.h"

#define DNS_PORT 53 /* watched by slots that name no other */

/* The object's maps of filter.bpf.h and query_names.bpf.h. */
struct filter_maps {
	int value_slots;
	int prefix_slots;
	int process_name_slots;
	int query_name_slots; /* −1: the object knows no query names */
	__u64 query_name_seed;
};

/* Fills `filter` and the maps' entries of `generation`, which must be empty, with the slots of one probe. Returns 0 or a negative errno. */
int filter_install(const struct slots *slots, enum probe probe, struct filter *filter, const struct filter_maps *maps, __u32 generation);
/* Removes the maps' entries of `generation`. */
void filter_remove(const struct filter_maps *maps, __u32 generation);

#endif
