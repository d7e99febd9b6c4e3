// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
#include "listener_reports.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "../filter.h"
#include "output.h"

static __u64 slots_of_key(const struct bpf_map *map, const void *key)
{
	__u64 slots = 0;

	bpf_map_lookup_elem(bpf_map__fd(map), key, &slots);
	return slots;
}

/* The sessions that ask for the listener. */
static __u64 slots_of(const struct listener_bpf *skeleton, const struct listener_record *record)
{
	__u32 generation = skeleton->bss->active_generation & 1;
	const struct filter *filter = &skeleton->bss->filters[generation];
	struct value_key port = {.generation = generation, .value = record->local_port, .criterion = CRITERION_LOCAL_PORT};
	struct process_name_key name = {.generation = generation};
	__u64 slots = filter->end_slots[1];

	if (slots & ~filter->any_local_port)
		slots &= filter->any_local_port | slots_of_key(skeleton->maps.value_slots, &port);
	memcpy(name.name, record->process_name, PROCESS_NAME_LENGTH);
	if (slots & ~filter->any_process_name)
		slots &= filter->any_process_name | slots_of_key(skeleton->maps.process_name_slots, &name);
	return slots;
}

/* Returns whether any session asks for it. */
static bool report_record(const struct listener_bpf *skeleton, struct listener_record *record)
{
	record->slots = slots_of(skeleton, record);
	record->revision = skeleton->bss->filters[skeleton->bss->active_generation & 1].revision;
	if (record->slots)
		output_record(FRAME_LISTENERS, record, sizeof(*record));
	return record->slots;
}

static __u64 read_records(const struct listener_bpf *skeleton, int iterator)
{
	static struct listener_record records[64];
	__u64 emitted = 0;
	size_t held = 0;

	for (;;) {
		ssize_t got = read(iterator, (char *)records + held, sizeof(records) - held);
		size_t whole;

		if (got < 0 && errno == EAGAIN)
			continue;
		if (got < 0)
			output_diagnostic("error", "iterator_failed", "cannot read the records of listening sockets: %s", strerror(errno));
		if (got <= 0)
			return emitted;
		held += (size_t)got;
		whole = held / sizeof(records[0]);
		for (size_t i = 0; i < whole; i++)
			emitted += report_record(skeleton, &records[i]);
		held -= whole * sizeof(records[0]);
		memmove(records, (char *)records + whole * sizeof(records[0]), held);
	}
}

__u64 listener_reports_read(const struct listener_bpf *skeleton, const struct bpf_link *reports)
{
	int iterator = bpf_iter_create(bpf_link__fd(reports));
	__u64 emitted;

	if (iterator < 0) {
		output_diagnostic("error", "iterator_failed", "cannot report listening sockets: %s", strerror(errno));
		return 0;
	}
	emitted = read_records(skeleton, iterator);
	close(iterator);
	return emitted;
}
