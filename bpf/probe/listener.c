// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* The observer of listening sockets: listener.bpf.c. Its tables are there while a session wants them only. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "../listener.h"
#include "clock.h"
#include "cost.h"
#include "filter.h"
#include "hooks.h"
#include "listener.skel.h"
#include "listener_reports.h"
#include "object.h"
#include "observer.h"

/* Attached in this order. */
enum hook_number {
	HOOK_SAMPLE,
	HOOK_REPORT,
	HOOK_OWNERS,
	HOOK_SOCKOPS,
	/* Last: what it counts as refused, sockops must count back. */
	HOOK_INGRESS,
	HOOK_COUNT,
};

static struct hook hooks[HOOK_COUNT] = {
	[HOOK_SAMPLE] = {.name = "iter/bpf_map_elem", .place = HOOK_OVER_ELEMENTS},
	[HOOK_REPORT] = {.name = "iter/bpf_map_elem (report)", .place = HOOK_OVER_ELEMENTS},
	[HOOK_OWNERS] = {.name = "iter/task_file"},
	[HOOK_SOCKOPS] = {.name = "cgroup_sockops", .place = HOOK_ON_CGROUP},
	[HOOK_INGRESS] = {.name = "cgroup_skb/ingress", .place = HOOK_ON_CGROUP},
};

/* The kernel decides about a segment within microseconds of its sight; so long after a period's end all of it is decided. */
#define SETTLE_NS (NANOSECONDS_PER_SECOND / 25)
/* A walk through all open files finds listeners that nobody has called yet; so often, and when a listener comes whose process is not known. */
#define WALK_INTERVAL_NS (30 * NANOSECONDS_PER_SECOND)
/* One part of a CPU in so many is what the walks may take. */
#define WALK_SHARE 50

static const struct environment *environment;
static struct listener_bpf *skeleton;
static bool attached;
/* A period has ended and is not reported yet. */
static bool settling;
static __u64 walked_ns, walk_cpu_ns;
/* Counted by objects that are unloaded since. */
static struct counters earlier;
/* Records handed to output. */
static __u64 emitted;
static char unavailable[512];

/* ── Load ───────────────────────────────────────────────────────────────────────────────────────────────────────────── */

static int open_object(void)
{
	__u64 seed;

	skeleton = listener_bpf__open();
	if (!skeleton)
		return -errno;
	if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		return -errno;
	skeleton->rodata->connection_seed = seed;
	skeleton->bss->period = 1;
	skeleton->rodata->can_make_cookies = libbpf_find_vmlinux_btf_id("bpf_get_socket_ptr_cookie", BPF_TRACE_FENTRY) > 0;
	hooks[HOOK_SAMPLE].program = skeleton->progs.listener_sample;
	hooks[HOOK_SAMPLE].elements = skeleton->maps.listeners;
	hooks[HOOK_REPORT].program = skeleton->progs.listener_report;
	hooks[HOOK_REPORT].elements = skeleton->maps.listeners;
	hooks[HOOK_OWNERS].program = skeleton->progs.listener_owners;
	hooks[HOOK_SOCKOPS].program = skeleton->progs.listener_sockops;
	hooks[HOOK_INGRESS].program = skeleton->progs.listener_ingress;
	/* Nothing leaves by it. */
	bpf_map__set_max_entries(skeleton->maps.records, (__u32)sysconf(_SC_PAGESIZE));
	return 0;
}

static void unload(void)
{
	listener_bpf__destroy(skeleton);
	skeleton = NULL;
}

/* What is wrong stands in `unavailable`. */
static bool load_object(__u32 listeners_max)
{
	int error;

	*unavailable = 0;
	object_forget_complaint();
	error = open_object();
	if (!error) {
		bpf_map__set_max_entries(skeleton->maps.listeners, listeners_max);
		object_preallocate_for_kernel(skeleton->obj);
		error = listener_bpf__load(skeleton);
	}
	if (!error)
		return true;
	snprintf(unavailable, sizeof(unavailable), "the kernel refuses the programs: %s (%s)", strerror(-error), object_complaint());
	unload();
	return false;
}

/* Why listeners that nobody has called are not seen; empty = they are. */
static char without_quiet[200];

static void load(const struct environment *found)
{
	environment = found;
	if (*found->unavailable) {
		snprintf(unavailable, sizeof(unavailable), "%s", found->unavailable);
		return;
	}
	/* With a small table, to see whether it can be done. */
	if (!load_object(1)) {
		output_diagnostic("error", "listener_unavailable", "%s", unavailable);
		return;
	}
	if (!skeleton->rodata->can_make_cookies)
		snprintf(without_quiet, sizeof(without_quiet), "on this kernel a listener is seen from its first SYN on (earlier from 5.12)");
	unload();
}

static void capabilities(struct json *json)
{
	json_format(json, "{\"name\":\"listener.samples\",\"available\":%s,\"detail\":", *unavailable ? "false" : "true");
	json_string(json, *unavailable ? unavailable : without_quiet);
	json_format(json, "},");
	object_append_capability(json, "listener.refused_syns", unavailable);
	object_append_capability(json, "listener.dropped_acks", unavailable);
}

/* ── Attach ─────────────────────────────────────────────────────────────────────────────────────────────────────────── */

/* All or nothing. Returns NULL or what failed. */
static const char *attach(void)
{
	const char *wrong = hooks_attach(hooks, HOOK_COUNT, HOOKS_ALL, environment->cgroup_descriptor);

	if (wrong)
		return wrong;
	attached = true;
	settling = false;
	skeleton->bss->period_ended_ns = clock_monotonic_ns();
	return NULL;
}

/* ── Owners ─────────────────────────────────────────────────────────────────────────────────────────────────────────── */

static void find_owners(void)
{
	__u64 began = clock_cpu_ns();

	skeleton->bss->owners_wanted = false;
	skeleton->bss->owners_walk++;
	object_run_iterator(hooks[HOOK_OWNERS].link, "look for the processes that hold listening sockets");
	walk_cpu_ns = clock_cpu_ns() - began;
	walked_ns = clock_monotonic_ns();
}

static bool walk_is_due(void)
{
	__u64 since = clock_monotonic_ns() - walked_ns;

	return since >= WALK_INTERVAL_NS || (skeleton->bss->owners_wanted && since >= walk_cpu_ns * WALK_SHARE);
}

/* ── Periods ────────────────────────────────────────────────────────────────────────────────────────────────────────── */

/* Ends the period under way and takes samples. */
static void end_period(void)
{
	__u32 ending = skeleton->bss->period;

	skeleton->bss->ending_period = ending;
	skeleton->bss->period_began_ns = skeleton->bss->period_ended_ns;
	__atomic_store_n(&skeleton->bss->period, ending + 1, __ATOMIC_SEQ_CST);
	skeleton->bss->period_ended_ns = clock_monotonic_ns();
	object_run_iterator(hooks[HOOK_SAMPLE].link, "take samples of listening sockets");
	settling = true;
}

/* Reports the period that has ended. */
static void settle(void)
{
	settling = false;
	emitted += listener_reports_read(skeleton, hooks[HOOK_REPORT].link);
}

static void sweep(void)
{
	if (settling)
		settle();
	end_period();
	if (walk_is_due())
		find_owners();
}

static void consume(void)
{
	if (settling && clock_monotonic_ns() - skeleton->bss->period_ended_ns >= SETTLE_NS)
		settle();
}

/* ── Sessions ───────────────────────────────────────────────────────────────────────────────────────────────────────── */

static void add_counters(struct counters *sum, const struct counters *more)
{
	sum->pending_table_full += more->pending_table_full;
}

/* New segments stop coming first; then what was counted is reported, still by the old filter. */
static void detach_and_settle(void)
{
	struct bpf_program *programs[HOOK_COUNT];
	struct counters counters;

	hook_detach(&hooks[HOOK_INGRESS]);
	if (settling)
		settle();
	end_period();
	if (skeleton->bss->owners_wanted)
		find_owners();
	hook_detach(&hooks[HOOK_SOCKOPS]);
	skeleton->bss->report_last = true;
	settle();
	hooks_detach(hooks, HOOK_COUNT, HOOKS_ALL);
	counters = object_counters(skeleton->maps.counts);
	add_counters(&earlier, &counters);
	attached = false;
	cost_unloading(programs, hooks_programs(hooks, HOOK_COUNT, programs, HOOK_COUNT));
	unload();
}

static const char *apply(const struct slots *slots)
{
	struct filter_maps maps = {
		.value_slots = bpf_map__fd(skeleton->maps.value_slots),
		.prefix_slots = bpf_map__fd(skeleton->maps.prefix_slots),
		.process_name_slots = bpf_map__fd(skeleton->maps.process_name_slots),
		.query_name_slots = -1,
	};
	__u32 current = skeleton->bss->active_generation & 1, next = current ^ 1;
	struct filter *filter = &skeleton->bss->filters[next];
	int error = filter_install(slots, PROBE_LISTENER, filter, &maps, next);
	const char *wrong = NULL;
	static char text[200];

	if (error)
		memset(filter, 0, sizeof(*filter));
	__atomic_store_n(&skeleton->bss->active_generation, next, __ATOMIC_SEQ_CST);
	filter_remove(&maps, current);
	if (error) {
		snprintf(text, sizeof(text), "cannot fill the filter: %s", strerror(-error));
		return text;
	}
	if (!attached)
		wrong = attach();
	if (wrong)
		return wrong;
	/* Whoever is new wants to know of all listeners, quiet ones too. */
	skeleton->bss->report_round++;
	find_owners();
	return NULL;
}

static const char *configure(const struct slots *slots)
{
	const char *wrong;

	if (!slots_want(slots, PROBE_LISTENER)) {
		if (attached)
			detach_and_settle();
		return NULL;
	}
	if (!skeleton && (*environment->unavailable || !load_object(LISTENERS_MAX)))
		return unavailable;
	wrong = apply(slots);
	if (!attached)
		unload();
	return wrong;
}

static bool is_attached(void)
{
	return attached;
}

static void append_hooks(struct json *json)
{
	hooks_append_names(hooks, HOOK_COUNT, json);
}

static void append_stats(struct json *json)
{
	struct counters counters = earlier;

	if (skeleton) {
		struct counters now = object_counters(skeleton->maps.counts);

		add_counters(&counters, &now);
	}
	counters.emitted = emitted;
	object_append_counts(json, &counters);
	json_format(json, "}");
}

static size_t loaded_programs(struct bpf_program *loaded[], size_t room)
{
	return skeleton ? hooks_programs(hooks, HOOK_COUNT, loaded, room) : 0;
}

static void end(void)
{
	if (attached)
		detach_and_settle();
}

const struct observer listener_observer = {
	.probe = PROBE_LISTENER,
	.name = "listener",
	.load = load,
	.capabilities = capabilities,
	.configure = configure,
	.attached = is_attached,
	.hooks = append_hooks,
	.consume = consume,
	.sweep = sweep,
	.stats = append_stats,
	.programs = loaded_programs,
	.end = end,
};
