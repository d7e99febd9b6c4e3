// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
#include "object.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "kernel.h"

static char complaint[400];

static void keep_verifier_words(const char *log)
{
	const char *end = strstr(log, "\nprocessed "), *begin;

	if (!end)
		return;
	for (begin = end; begin > log && begin[-1] != '\n'; begin--)
		;
	snprintf(complaint + strlen(complaint), sizeof(complaint) - strlen(complaint), ": %.*s", (int)(end - begin), begin);
}

static int keep_complaint(enum libbpf_print_level level, const char *format, va_list arguments)
{
	/* A verifier's log is libbpf's longest message, at most this long (its own buffer may be larger). */
	static char message[1 << 16];
	const char *text = message;

	if (level > LIBBPF_WARN)
		return 0;
	vsnprintf(message, sizeof(message), format, arguments);
	if (!strncmp(text, "libbpf: ", 8))
		text += 8;
	if (strstr(text, "BEGIN PROG LOAD LOG"))
		keep_verifier_words(text);
	else if (!*complaint)
		snprintf(complaint, sizeof(complaint), "%.*s", (int)strcspn(text, "\n"), text);
	return 0;
}

void object_listen_to_libbpf(void)
{
	libbpf_set_print(keep_complaint);
}

void object_forget_complaint(void)
{
	*complaint = 0;
}

const char *object_complaint(void)
{
	return complaint;
}

static bool allocates_safely(void)
{
	unsigned int major, minor;
	struct utsname host;

	return !uname(&host) && sscanf(host.release, "%u.%u", &major, &minor) == 2 && (major > 6 || (major == 6 && minor >= 1));
}

void object_preallocate_for_kernel(const struct bpf_object *object)
{
	struct bpf_map *map;

	if (allocates_safely())
		return;
	bpf_object__for_each_map(map, object)
		if (bpf_map__type(map) == BPF_MAP_TYPE_HASH)
			bpf_map__set_map_flags(map, bpf_map__map_flags(map) & ~(__u32)BPF_F_NO_PREALLOC);
}

struct ring_buffer *object_open_ring(const struct bpf_map *records, ring_buffer_sample_fn receive)
{
	struct ring_buffer *ring = ring_buffer__new(bpf_map__fd(records), receive, NULL, NULL);

	if (ring && kernel_watch_ring(ring_buffer__epoll_fd(ring))) {
		ring_buffer__free(ring);
		return NULL;
	}
	return ring;
}

struct bpf_link *object_attach_to_elements(struct bpf_program *program, const struct bpf_map *map)
{
	union bpf_iter_link_info iterated = {.map.map_fd = (__u32)bpf_map__fd(map)};
	/* Only its own member of the union: 5.10 knows no other and refuses bytes behind it. */
	DECLARE_LIBBPF_OPTS(bpf_iter_attach_opts, options, .link_info = &iterated, .link_info_len = sizeof(iterated.map));

	return bpf_program__attach_iter(program, &options);
}

void object_run_iterator(const struct bpf_link *link, const char *purpose)
{
	int iterator = bpf_iter_create(bpf_link__fd(link));
	char nothing[8];

	if (iterator < 0) {
		output_diagnostic("error", "iterator_failed", "cannot %s: %s", purpose, strerror(errno));
		return;
	}
	do
		errno = 0;
	while (read(iterator, nothing, sizeof(nothing)) > 0 || errno == EAGAIN);
	close(iterator);
}

struct counters object_counters(const struct bpf_map *counts)
{
	int cpus = libbpf_num_possible_cpus();
	struct counters per_cpu[cpus > 0 ? cpus : 1], sum = {};
	__u32 zero = 0;

	if (cpus < 1 || bpf_map_lookup_elem(bpf_map__fd(counts), &zero, per_cpu))
		return sum;
	for (int cpu = 0; cpu < cpus; cpu++) {
		const __u64 *from = (const __u64 *)&per_cpu[cpu];
		__u64 *to = (__u64 *)&sum;

		for (size_t i = 0; i < sizeof(sum) / sizeof(*to); i++)
			to[i] += from[i];
	}
	return sum;
}

void object_append_counts(struct json *json, const struct counters *counters)
{
	json_format(json, "\"offered\":%llu,\"emitted\":%llu,\"loss\":{\"ringFull\":%llu,\"pendingTableFull\":%llu,\"unfinishedAtDetach\":%llu",
		    counters->emitted + counters->ring_full, counters->emitted, counters->ring_full, counters->pending_table_full,
		    counters->unfinished);
}

void object_append_capability(struct json *json, const char *name, const char *unavailable)
{
	json_format(json, "{\"name\":\"%s\",\"available\":%s,\"detail\":", name, *unavailable ? "false" : "true");
	json_string(json, unavailable);
	json_format(json, "},");
}
