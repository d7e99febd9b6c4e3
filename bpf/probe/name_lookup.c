// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* The observer of getaddrinfo(): name_lookup.bpf.c. */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "../name_lookup.h"
#include "c_libraries.h"
#include "clock.h"
#include "filter.h"
#include "library_scan.h"
#include "name_lookup.skel.h"
#include "object.h"
#include "observer.h"

#define RING_BYTES (256 * 1024)
/* Threads rarely die inside a call; a lookup that takes longer than this is asked after. */
#define SWEEP_AGE_NS (10 * NANOSECONDS_PER_SECOND)

static struct name_lookup_bpf *skeleton;
static struct ring_buffer *ring;
static struct bpf_link *return_links[LIBRARIES_MAX], *call_links[LIBRARIES_MAX];
static bool attached;
/* Lookups whose end nobody will see, as found by the sweep. */
static __u64 written_off;
static char unavailable[512];

/* ── Load ───────────────────────────────────────────────────────────────────────────────────────────────────────────── */

static int receive_record(void *context, void *record, size_t size)
{
	(void)context;
	output_record(FRAME_NAME_LOOKUPS, record, size);
	return 0;
}

static void detach_library(unsigned int place)
{
	bpf_link__destroy(call_links[place]);
	bpf_link__destroy(return_links[place]);
	call_links[place] = return_links[place] = NULL;
}

/* A link owns its uprobe. Returns come first: a call whose return is not watched would stay in the table. */
static bool attach_library(unsigned int place, int return_uprobe, int call_uprobe)
{
	return_links[place] = bpf_program__attach_perf_event(skeleton->progs.name_lookup_return, return_uprobe);
	if (!return_links[place])
		close(return_uprobe);
	call_links[place] = return_links[place] ? bpf_program__attach_perf_event(skeleton->progs.name_lookup_call, call_uprobe) : NULL;
	if (call_links[place])
		return true;
	close(call_uprobe);
	detach_library(place);
	return false;
}

static const struct c_library_user library_user = {
	.function = "getaddrinfo",
	.attach = attach_library,
	.detach = detach_library,
};

static int load_object(const struct kernel_options *options)
{
	__u64 seed;
	int error;

	if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		return -errno;
	skeleton = name_lookup_bpf__open();
	if (!skeleton)
		return -errno;
	skeleton->rodata->has_task_pointer = libbpf_probe_bpf_helper(BPF_PROG_TYPE_KPROBE, BPF_FUNC_get_current_task_btf, NULL) == 1;
	skeleton->rodata->wakeup_bytes = RING_BYTES / 8;
	skeleton->rodata->query_name_seed = seed;
	bpf_map__set_max_entries(skeleton->maps.records, RING_BYTES);
	bpf_map__set_max_entries(skeleton->maps.lookups, options->lookup_pending_max);
	object_preallocate_for_kernel(skeleton->obj);
	error = name_lookup_bpf__load(skeleton);
	if (error)
		return error;
	ring = object_open_ring(skeleton->maps.records, receive_record);
	return ring ? 0 : -errno;
}

static void refuse_kernel(int error)
{
	snprintf(unavailable, sizeof(unavailable), "the kernel refuses the programs: %s (%s)", strerror(-error), object_complaint());
	output_diagnostic("error", "name_lookup_unavailable", "%s", unavailable);
	name_lookup_bpf__destroy(skeleton);
	skeleton = NULL;
}

static void load(const struct environment *environment)
{
	const char *without_libraries;
	int error;

	object_forget_complaint();
	snprintf(unavailable, sizeof(unavailable), "%s", environment->unavailable);
	if (*unavailable)
		return;
	without_libraries = c_libraries_prepare(&library_user);
	if (without_libraries) {
		snprintf(unavailable, sizeof(unavailable), "%s", without_libraries);
		return;
	}
	error = load_object(environment->options);
	if (error)
		refuse_kernel(error);
}

static void append_capabilities(struct json *json)
{
	json_format(json, "{\"name\":\"name_lookup\",\"available\":%s,\"detail\":", skeleton ? "true" : "false");
	json_string(json, skeleton ? c_libraries_limit() : unavailable);
	json_format(json, "},");
}

/* ── Lookups without an end ─────────────────────────────────────────────────────────────────────────────────────────── */

static bool thread_is_gone(__u64 thread)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%u/task/%u", (__u32)(thread >> 32), (__u32)thread);
	return access(path, F_OK) && errno == ENOENT;
}

/* Deletes while walking: a deleted cursor makes get_next_key begin again, so the walk steps ahead before it deletes. */
static void write_off_lookups(bool all)
{
	int map = bpf_map__fd(skeleton->maps.lookups);
	__u64 now = clock_monotonic_ns(), thread, next;
	bool more = !bpf_map_get_next_key(map, NULL, &next);

	while (more) {
		struct pending_lookup pending;

		thread = next;
		more = !bpf_map_get_next_key(map, &thread, &next);
		if (!all && (bpf_map_lookup_elem(map, &thread, &pending) || now - pending.start_ns < SWEEP_AGE_NS || !thread_is_gone(thread)))
			continue;
		if (!bpf_map_delete_elem(map, &thread))
			written_off++;
	}
}

/* ── Attach ─────────────────────────────────────────────────────────────────────────────────────────────────────────── */

static const char *attach(void)
{
	attached = true;
	c_libraries_begin();
	return c_libraries_count() ? NULL : "no C library with getaddrinfo() is in use on this host; the probe looks again every 10 seconds";
}

static void detach(void)
{
	attached = false;
	c_libraries_end();
	write_off_lookups(true);
}

static const char *configure(const struct slots *slots)
{
	bool wanted = slots_want(slots, PROBE_NAME_LOOKUP);
	__u32 current, next;
	struct filter_maps maps;
	static char text[200];
	int error;

	if (!skeleton)
		return wanted ? unavailable : NULL;
	maps = (struct filter_maps){
		.value_slots = bpf_map__fd(skeleton->maps.value_slots),
		.prefix_slots = bpf_map__fd(skeleton->maps.prefix_slots),
		.process_name_slots = bpf_map__fd(skeleton->maps.process_name_slots),
		.query_name_slots = bpf_map__fd(skeleton->maps.query_name_slots),
		.query_name_seed = skeleton->rodata->query_name_seed,
	};
	current = skeleton->bss->active_generation & 1;
	next = current ^ 1;
	error = filter_install(slots, PROBE_NAME_LOOKUP, &skeleton->bss->filters[next], &maps, next);
	if (attached && (error || !wanted))
		detach();
	if (error)
		memset(&skeleton->bss->filters[next], 0, sizeof(skeleton->bss->filters[next]));
	__atomic_store_n(&skeleton->bss->active_generation, next, __ATOMIC_SEQ_CST);
	filter_remove(&maps, current);
	if (error) {
		snprintf(text, sizeof(text), "cannot fill the filter: %s", strerror(-error));
		return text;
	}
	return wanted && !attached ? attach() : NULL;
}

static bool is_attached(void)
{
	return attached;
}

static void append_hooks(struct json *json)
{
	if (c_libraries_count())
		json_format(json, "\"uretprobe/getaddrinfo\",\"uprobe/getaddrinfo\",");
}

/* ── Run ────────────────────────────────────────────────────────────────────────────────────────────────────────────── */

static void consume(void)
{
	if (ring)
		ring_buffer__consume(ring);
}

static void sweep(void)
{
	c_libraries_tick();
	write_off_lookups(false);
}

static void append_stats(struct json *json)
{
	struct counters counters = {};

	if (skeleton)
		counters = object_counters(skeleton->maps.counts);
	counters.unfinished += written_off;
	object_append_counts(json, &counters);
	json_format(json, "}");
}

static size_t loaded_programs(struct bpf_program *programs[], size_t room)
{
	if (!skeleton || room < 2)
		return 0;
	programs[0] = skeleton->progs.name_lookup_call;
	programs[1] = skeleton->progs.name_lookup_return;
	return 2;
}

static void end(void)
{
	if (attached)
		detach();
	consume();
	c_libraries_stop();
}

const struct observer name_lookup_observer = {
	.probe = PROBE_NAME_LOOKUP,
	.name = "name_lookup",
	.load = load,
	.capabilities = append_capabilities,
	.configure = configure,
	.attached = is_attached,
	.hooks = append_hooks,
	.consume = consume,
	.sweep = sweep,
	.stats = append_stats,
	.programs = loaded_programs,
	.end = end,
};
