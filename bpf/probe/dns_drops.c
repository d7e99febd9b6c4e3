// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
#include "dns_drops.h"

#include <bpf/bpf.h>
#include <stdbool.h>

#include "../dns.h"
#include "clock.h"
#include "dns.skel.h"
#include "filter.h"
#include "output.h"

/* When the period under way began. */
static __u64 period_began_ns;

void dns_drops_begin(void)
{
	period_began_ns = clock_monotonic_ns();
}

__u64 dns_slots_of_port(struct dns_bpf *skeleton, __u16 port, __u32 generation)
{
	struct value_key key = {.generation = generation, .value = port, .criterion = CRITERION_DNS_PORT};
	__u64 slots = 0;

	bpf_map_lookup_elem(bpf_map__fd(skeleton->maps.value_slots), &key, &slots);
	return slots;
}

/* The sessions that ask for what the socket serves. */
static __u64 slots_of_drop(struct dns_bpf *skeleton, const struct receive_queue_drop_record *record, const struct filter *filter)
{
	/* A client's socket is connected to a port that is watched; which one, is not kept. */
	if (record->side == SIDE_CLIENT)
		return filter->end_slots[SIDE_CLIENT];
	return filter->end_slots[SIDE_RESOLVER] & dns_slots_of_port(skeleton, record->local_port, skeleton->bss->active_generation & 1);
}

static void report_drop(struct dns_bpf *skeleton, const struct drop_value *value, __u32 cause)
{
	const struct filter *filter = &skeleton->bss->filters[skeleton->bss->active_generation & 1];
	struct receive_queue_drop_record record = value->record;

	record.observed_ns = clock_monotonic_ns();
	record.interval_ns = record.observed_ns - period_began_ns;
	record.drops = value->drops;
	record.cause = (__u8)cause;
	record.revision = filter->revision;
	record.slots = slots_of_drop(skeleton, &record, filter);
	if (record.slots)
		output_record(FRAME_RECEIVE_QUEUE_DROPS, &record, sizeof(record));
}

void dns_drops_report(struct dns_bpf *skeleton)
{
	int map = bpf_map__fd(skeleton->maps.drops);
	__u32 period = skeleton->bss->drop_period;
	struct drop_key key, next;
	struct drop_value value;
	bool more;

	skeleton->bss->drop_period = period ^ 1;
	/* A deleted cursor makes get_next_key begin again, so the walk steps ahead before it deletes. */
	for (more = !bpf_map_get_next_key(map, NULL, &next); more;) {
		key = next;
		more = !bpf_map_get_next_key(map, &key, &next);
		if (key.period != period || bpf_map_lookup_elem(map, &key, &value))
			continue;
		report_drop(skeleton, &value, key.cause);
		bpf_map_delete_elem(map, &key);
	}
	period_began_ns = clock_monotonic_ns();
}
