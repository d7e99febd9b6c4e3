// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* The observer of TCP handshakes: handshake.bpf.c. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "cost.h"
#include "filter.h"
#include "handshake.skel.h"
#include "hooks.h"
#include "object.h"
#include "observer.h"

/* Attached in this order. */
enum hook_number {
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

static struct hook hooks[HOOK_COUNT] = {
	[HOOK_RETRANSMIT_SYNACK] = {.name = "tp_btf/tcp_retransmit_synack"},
	[HOOK_KFREE_SKB] = {.name = "tp_btf/kfree_skb"},
	[HOOK_RECEIVE_RESET] = {.name = "tp_btf/tcp_receive_reset"},
	[HOOK_EXIT_ACCEPT] = {.name = "tracepoint/syscalls/sys_exit_accept"},
	[HOOK_EXIT_ACCEPT4] = {.name = "tracepoint/syscalls/sys_exit_accept4"},
	[HOOK_SWEEP] = {.name = "iter/bpf_map_elem", .place = HOOK_OVER_ELEMENTS},
	[HOOK_SWEEP_OVERFLOW] = {.name = "iter/bpf_map_elem (overflow)", .place = HOOK_OVER_ELEMENTS},
	[HOOK_SOCKOPS] = {.name = "cgroup_sockops", .place = HOOK_ON_CGROUP},
};
/* Sessions of clients alone do without the others: two of these tracepoints make every system call of the host take a detour. */
#define HOOKS_OF_CLIENTS HOOK_BIT(HOOK_SOCKOPS)
#define HOOKS_OF_SERVERS (HOOKS_ALL & ~HOOKS_OF_CLIENTS)

static const struct environment *environment;
static struct handshake_bpf *skeleton;
static struct ring_buffer *ring;
static bool attached;
/* The hooks of the server's side are among those attached. */
static bool serving;

/* Why nothing of it can be had; empty = it can. */
static char unavailable[512];

/* ── Load ───────────────────────────────────────────────────────────────────────────────────────────────────────────── */

static void choose_programs(void)
{
	hooks[HOOK_SOCKOPS].program = skeleton->progs.handshake_sockops;
	hooks[HOOK_RETRANSMIT_SYNACK].program = skeleton->progs.handshake_retransmit_synack;
	hooks[HOOK_KFREE_SKB].program = skeleton->progs.handshake_kfree_skb;
	hooks[HOOK_RECEIVE_RESET].program = skeleton->progs.handshake_receive_reset;
	hooks[HOOK_EXIT_ACCEPT].program = skeleton->progs.handshake_exit_accept;
	hooks[HOOK_EXIT_ACCEPT4].program = skeleton->progs.handshake_exit_accept4;
	hooks[HOOK_SWEEP].program = skeleton->progs.handshake_sweep;
	hooks[HOOK_SWEEP].elements = skeleton->maps.pendings;
	hooks[HOOK_SWEEP_OVERFLOW].program = skeleton->progs.handshake_sweep;
	hooks[HOOK_SWEEP_OVERFLOW].elements = skeleton->maps.pendings_overflow;
	hook_needs_tracepoint(&hooks[HOOK_RETRANSMIT_SYNACK], "tcp:tcp_retransmit_synack");
	hook_needs_tracepoint(&hooks[HOOK_KFREE_SKB], "skb:kfree_skb");
	hook_needs_tracepoint(&hooks[HOOK_RECEIVE_RESET], "tcp:tcp_receive_reset");
	if (*environment->without_tracefs) {
		hook_leave_out(&hooks[HOOK_EXIT_ACCEPT], environment->without_tracefs);
		hook_leave_out(&hooks[HOOK_EXIT_ACCEPT4], environment->without_tracefs);
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

static const char *reason_without(enum hook_number hook)
{
	return skeleton ? hooks[hook].unavailable : unavailable;
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

static void detach_server(void)
{
	hooks_detach(hooks, HOOK_COUNT, HOOKS_OF_SERVERS);
	serving = false;
}

static void detach_sockops(void)
{
	hook_detach(&hooks[HOOK_SOCKOPS]);
	attached = false;
}

/* Attaches what is missing of what was loaded and is needed; all or nothing. Returns NULL or what failed. */
static const char *attach(bool servers)
{
	const char *wrong = hooks_attach(hooks, HOOK_COUNT, servers ? HOOKS_ALL : HOOKS_OF_CLIENTS, environment->cgroup_descriptor);

	attached = !wrong;
	serving = attached && servers;
	return wrong;
}

#define SWEEPING "look through unfinished handshakes"

static void run_sweep(bool all)
{
	skeleton->bss->sweep_now_ns = clock_monotonic_ns();
	skeleton->bss->sweep_all = all;
	object_run_iterator(hooks[HOOK_SWEEP].link, SWEEPING);
	object_run_iterator(hooks[HOOK_SWEEP_OVERFLOW].link, SWEEPING);
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
	hooks_append_names(hooks, HOOK_COUNT, json);
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

static size_t loaded_programs(struct bpf_program *programs[], size_t room)
{
	return skeleton ? hooks_programs(hooks, HOOK_COUNT, programs, room) : 0;
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
