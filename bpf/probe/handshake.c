// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* The observer of TCP handshakes: handshake.bpf.c. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "cost.h"
#include "filter.h"
#include "handshake.skel.h"
#include "object.h"
#include "observer.h"

/* Attached in this order. */
enum hook {
	HOOK_RETRANSMIT_SYNACK,
	HOOK_KFREE_SKB,
	HOOK_RECEIVE_RESET,
	HOOK_EXIT_ACCEPT,
	HOOK_EXIT_ACCEPT4,
	HOOK_SWEEP,
	HOOK_SWEEP_OVERFLOW,
	/* Last: it makes the entries that the others finish. */
	HOOK_SOCKOPS,
	HOOK_COUNT,
};

static const char *const hook_names[HOOK_COUNT] = {
	[HOOK_SOCKOPS] = "cgroup_sockops",
	[HOOK_RETRANSMIT_SYNACK] = "tp_btf/tcp_retransmit_synack",
	[HOOK_KFREE_SKB] = "tp_btf/kfree_skb",
	[HOOK_RECEIVE_RESET] = "tp_btf/tcp_receive_reset",
	[HOOK_EXIT_ACCEPT] = "tracepoint/syscalls/sys_exit_accept",
	[HOOK_EXIT_ACCEPT4] = "tracepoint/syscalls/sys_exit_accept4",
	[HOOK_SWEEP] = "iter/bpf_map_elem",
	[HOOK_SWEEP_OVERFLOW] = "iter/bpf_map_elem (overflow)",
};

static const struct environment *environment;
static struct handshake_bpf *skeleton;
static struct ring_buffer *ring;
static struct bpf_program *programs[HOOK_COUNT];
static struct bpf_link *links[HOOK_COUNT];
static bool attached;
/* The hooks of the server's side are among those attached. */
static bool serving;

/* Why a hook, or all of them, cannot be had; empty = it can. */
static char unavailable[512];
static char hook_unavailable[HOOK_COUNT][256];

/* ── Load ───────────────────────────────────────────────────────────────────────────────────────────────────────────── */

static void without_hook(enum hook hook, const char *reason)
{
	snprintf(hook_unavailable[hook], sizeof(hook_unavailable[hook]), "%s", reason);
	bpf_program__set_autoload(programs[hook], false);
}

static void choose_programs(void)
{
	programs[HOOK_SOCKOPS] = skeleton->progs.handshake_sockops;
	programs[HOOK_RETRANSMIT_SYNACK] = skeleton->progs.handshake_retransmit_synack;
	programs[HOOK_KFREE_SKB] = skeleton->progs.handshake_kfree_skb;
	programs[HOOK_RECEIVE_RESET] = skeleton->progs.handshake_receive_reset;
	programs[HOOK_EXIT_ACCEPT] = skeleton->progs.handshake_exit_accept;
	programs[HOOK_EXIT_ACCEPT4] = skeleton->progs.handshake_exit_accept4;
	programs[HOOK_SWEEP] = skeleton->progs.handshake_sweep;
	programs[HOOK_SWEEP_OVERFLOW] = skeleton->progs.handshake_sweep;
	if (libbpf_find_vmlinux_btf_id("tcp_retransmit_synack", BPF_TRACE_RAW_TP) < 0)
		without_hook(HOOK_RETRANSMIT_SYNACK, "this kernel has no tracepoint tcp:tcp_retransmit_synack");
	if (libbpf_find_vmlinux_btf_id("kfree_skb", BPF_TRACE_RAW_TP) < 0)
		without_hook(HOOK_KFREE_SKB, "this kernel has no tracepoint skb:kfree_skb");
	if (libbpf_find_vmlinux_btf_id("tcp_receive_reset", BPF_TRACE_RAW_TP) < 0)
		without_hook(HOOK_RECEIVE_RESET, "this kernel has no tracepoint tcp:tcp_receive_reset");
	if (*environment->without_tracefs) {
		without_hook(HOOK_EXIT_ACCEPT, environment->without_tracefs);
		without_hook(HOOK_EXIT_ACCEPT4, environment->without_tracefs);
	}
}

static int receive_record(void *context, void *record, size_t size)
{
	(void)context;
	output_record(FRAME_HANDSHAKES, record, size);
	return 0;
}

/* Few handshakes are older than a whole table of later ones. */
static __u32 overflow_max(__u32 table)
{
	return table < 4 ? 1 : table / 4;
}

static int load_object(void)
{
	const struct kernel_options *options = environment->options;
	int error;

	skeleton = handshake_bpf__open();
	if (!skeleton)
		return -errno;
	choose_programs();
	skeleton->rodata->has_task_pointer = libbpf_probe_bpf_helper(BPF_PROG_TYPE_SOCK_OPS, BPF_FUNC_get_current_task_btf, NULL) == 1;
	skeleton->rodata->wakeup_bytes = options->ring_bytes / 8;
	bpf_map__set_max_entries(skeleton->maps.records, options->ring_bytes);
	skeleton->rodata->table_mask = options->pending_max - 1;
	bpf_map__set_max_entries(skeleton->maps.attempts, options->pending_max);
	bpf_map__set_max_entries(skeleton->maps.pendings, options->pending_max);
	bpf_map__set_max_entries(skeleton->maps.attempts_overflow, overflow_max(options->pending_max));
	bpf_map__set_max_entries(skeleton->maps.pendings_overflow, overflow_max(options->pending_max));
	skeleton->bss->accept_deadline_ns = options->accept_deadline_ns;
	object_preallocate_for_kernel(skeleton->obj);
	error = handshake_bpf__load(skeleton);
	if (error)
		return error;
	ring = object_open_ring(skeleton->maps.records, receive_record);
	return ring ? 0 : -errno;
}

static void load(const struct environment *found)
{
	int error;

	environment = found;
	object_forget_complaint();
	error = *found->unavailable ? 0 : load_object();
	if (*found->unavailable)
		snprintf(unavailable, sizeof(unavailable), "%s", found->unavailable);
	if (!error)
		return;
	snprintf(unavailable, sizeof(unavailable), "the kernel refuses the programs: %s (%s)", strerror(-error), object_complaint());
	output_diagnostic("error", "tcp_handshake_unavailable", "%s", unavailable);
	handshake_bpf__destroy(skeleton);
	skeleton = NULL;
}

static const char *reason_without(enum hook hook)
{
	return skeleton ? hook_unavailable[hook] : unavailable;
}

static void capabilities(struct json *json)
{
	object_append_capability(json, "tcp_handshake.client", reason_without(HOOK_SOCKOPS));
	object_append_capability(json, "tcp_handshake.server", reason_without(HOOK_SOCKOPS));
	object_append_capability(json, "tcp_handshake.accept_wait", reason_without(HOOK_EXIT_ACCEPT4));
	object_append_capability(json, "tcp_handshake.syn_ack_retransmits", reason_without(HOOK_RETRANSMIT_SYNACK));
	object_append_capability(json, "tcp_handshake.server_reset", reason_without(HOOK_KFREE_SKB));
}

/* ── Attach ─────────────────────────────────────────────────────────────────────────────────────────────────────────── */

static struct bpf_link *attach_hook(enum hook hook)
{
	switch (hook) {
	case HOOK_SOCKOPS:
		return bpf_program__attach_cgroup(programs[hook], environment->cgroup_descriptor);
	case HOOK_SWEEP:
		return object_attach_to_elements(programs[hook], skeleton->maps.pendings);
	case HOOK_SWEEP_OVERFLOW:
		return object_attach_to_elements(programs[hook], skeleton->maps.pendings_overflow);
	default:
		return bpf_program__attach(programs[hook]);
	}
}

/* Sessions of clients alone do without: two of these tracepoints make every system call of the host take a detour. */
static bool is_of_server(int hook)
{
	return hook != HOOK_SOCKOPS;
}

static void detach_server(void)
{
	for (int hook = 0; hook < HOOK_COUNT; hook++) {
		if (!is_of_server(hook))
			continue;
		bpf_link__destroy(links[hook]);
		links[hook] = NULL;
	}
	serving = false;
}

static void detach_sockops(void)
{
	bpf_link__destroy(links[HOOK_SOCKOPS]);
	links[HOOK_SOCKOPS] = NULL;
	attached = false;
}

/* Attaches what is missing of what was loaded and is needed; all or nothing. Returns NULL or what failed. */
static const char *attach(bool servers)
{
	static char complaint[600];

	object_forget_complaint();
	for (int hook = 0; hook < HOOK_COUNT; hook++) {
		if (links[hook] || *hook_unavailable[hook] || (is_of_server(hook) && !servers))
			continue;
		links[hook] = attach_hook((enum hook)hook);
		if (!links[hook]) {
			snprintf(complaint, sizeof(complaint), "cannot attach %s: %s (%s)", hook_names[hook], strerror(errno), object_complaint());
			detach_sockops();
			detach_server();
			return complaint;
		}
	}
	serving = servers;
	attached = true;
	return NULL;
}

#define SWEEPING "look through unfinished handshakes"

static void run_sweep(bool all)
{
	skeleton->bss->sweep_now_ns = clock_monotonic_ns();
	skeleton->bss->sweep_all = all;
	object_run_iterator(links[HOOK_SWEEP], SWEEPING);
	object_run_iterator(links[HOOK_SWEEP_OVERFLOW], SWEEPING);
}

/* Removes and counts the attempts that nobody will see the end of. */
static void write_off(struct bpf_map *attempts)
{
	struct bpf_link *link = object_attach_to_elements(skeleton->progs.handshake_write_off, attempts);

	if (!link) {
		output_diagnostic("error", "iterator_failed", "cannot count unfinished handshakes: %s", strerror(errno));
		return;
	}
	object_run_iterator(link, "count unfinished handshakes");
	bpf_link__destroy(link);
}

/* New sockets stop coming first; then what is under way is reported or counted, still by the old filter. */
static void detach_and_settle(void)
{
	detach_sockops();
	if (serving)
		run_sweep(true);
	detach_server();
	write_off(skeleton->maps.attempts);
	write_off(skeleton->maps.attempts_overflow);
}

/* Puts the filter of generation `next` in force; the older one's entries go. */
static const char *apply(const struct slots *slots, const struct filter_maps *maps)
{
	__u32 current = skeleton->bss->active_generation & 1, next = current ^ 1;
	struct filter *filter = &skeleton->bss->filters[next];
	int error = filter_install(slots, PROBE_TCP_HANDSHAKE, filter, maps, next);
	bool wanted = !error && slots_want(slots, PROBE_TCP_HANDSHAKE), servers = wanted && filter->end_slots[ROLE_SERVER];
	const char *wrong = NULL;
	static char text[200];

	if (attached && !wanted)
		detach_and_settle();
	else if (serving && !servers)
		run_sweep(true);
	if (wanted)
		wrong = attach(servers || serving);
	if (error) {
		snprintf(text, sizeof(text), "cannot fill the filter: %s", strerror(-error));
		wrong = text;
		memset(filter, 0, sizeof(*filter));
	}
	__atomic_store_n(&skeleton->bss->active_generation, next, __ATOMIC_SEQ_CST);
	filter_remove(maps, current);
	if (serving && !servers) {
		/* What came between the sweep above and the new filter. */
		run_sweep(true);
		detach_server();
	}
	return wrong;
}

static const char *configure(const struct slots *slots)
{
	struct filter_maps maps = {.query_name_slots = -1};

	if (!skeleton)
		return slots_want(slots, PROBE_TCP_HANDSHAKE) ? unavailable : NULL;
	maps.value_slots = bpf_map__fd(skeleton->maps.value_slots);
	maps.prefix_slots = bpf_map__fd(skeleton->maps.prefix_slots);
	maps.process_name_slots = bpf_map__fd(skeleton->maps.process_name_slots);
	return apply(slots, &maps);
}

static bool is_attached(void)
{
	return attached;
}

static void append_hooks(struct json *json)
{
	for (int hook = 0; hook < HOOK_COUNT; hook++)
		if (links[hook])
			json_format(json, "\"%s\",", hook_names[hook]);
}

/* ── Run ────────────────────────────────────────────────────────────────────────────────────────────────────────────── */

static void consume(void)
{
	if (ring)
		ring_buffer__consume(ring);
}

static void sweep(void)
{
	if (serving)
		run_sweep(false);
}

static void append_stats(struct json *json)
{
	struct counters counters = {};

	if (skeleton)
		counters = object_counters(skeleton->maps.counts);
	object_append_counts(json, &counters);
	json_format(json, "}");
}

static size_t loaded_programs(struct bpf_program *loaded[], size_t room)
{
	size_t count = 0;

	for (int hook = 0; skeleton && hook < HOOK_COUNT && count < room; hook++)
		/* One program on two maps is one program. */
		if (!hook || programs[hook] != programs[hook - 1])
			loaded[count++] = programs[hook];
	return count;
}

static void end(void)
{
	if (attached)
		detach_and_settle();
	consume();
}

const struct observer handshake_observer = {
	.probe = PROBE_TCP_HANDSHAKE,
	.name = "tcp_handshake",
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
