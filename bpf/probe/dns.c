// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* The observer of DNS queries: dns.bpf.c. Its tables take megabytes, so they are there while a session wants them only. */
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "clock.h"
#include "cost.h"
#include "../dns.h"
#include "dns.skel.h"
#include "dns_drops.h"
#include "filter.h"
#include "hooks.h"
#include "object.h"
#include "observer.h"

/* Attached in this order. */
enum hook_number {
	HOOK_RECEIVE_QUEUE_DROP,
	HOOK_LATE_AFTER_CLOSE,
	HOOK_SWEEP,
	HOOK_SWEEP_OVERFLOW,
	HOOK_CONNECT4,
	HOOK_CONNECT6,
	HOOK_INGRESS,
	/* Last: a query whose answer nobody would see must not be seen either. */
	HOOK_EGRESS,
	HOOK_COUNT,
};

static struct hook hooks[HOOK_COUNT] = {
	[HOOK_RECEIVE_QUEUE_DROP] = {.name = "tp_btf/udp_fail_queue_rcv_skb"},
	[HOOK_LATE_AFTER_CLOSE] = {.name = "tp_btf/kfree_skb"},
	[HOOK_SWEEP] = {.name = "iter/bpf_map_elem", .place = HOOK_OVER_ELEMENTS},
	[HOOK_SWEEP_OVERFLOW] = {.name = "iter/bpf_map_elem (overflow)", .place = HOOK_OVER_ELEMENTS},
	[HOOK_CONNECT4] = {.name = "cgroup/connect4", .place = HOOK_ON_CGROUP},
	[HOOK_CONNECT6] = {.name = "cgroup/connect6", .place = HOOK_ON_CGROUP},
	[HOOK_INGRESS] = {.name = "cgroup_skb/ingress", .place = HOOK_ON_CGROUP},
	[HOOK_EGRESS] = {.name = "cgroup_skb/egress", .place = HOOK_ON_CGROUP},
};

static const struct environment *environment;
static struct dns_bpf *skeleton;
static struct ring_buffer *ring;
static bool attached;
/* Counted by objects that are unloaded since. */
static struct counters earlier;

/* Why nothing of it can be had; empty = it can. */
static char unavailable[512];

/* ── Load ───────────────────────────────────────────────────────────────────────────────────────────────────────────── */

/* The value of an enumerator of this kernel; −1 if it has none. */
static int kernel_enumerator(const char *type, const char *name)
{
	struct btf *btf = btf__load_vmlinux_btf();
	int id = btf ? btf__find_by_name_kind(btf, type, BTF_KIND_ENUM) : -1, value = -1;

	if (id > 0) {
		const struct btf_type *enumeration = btf__type_by_id(btf, (__u32)id);

		for (int i = 0; i < btf_vlen(enumeration); i++)
			if (!strcmp(btf__name_by_offset(btf, btf_enum(enumeration)[i].name_off), name))
				value = btf_enum(enumeration)[i].val;
	}
	btf__free(btf);
	return value;
}

static void choose_programs(void)
{
	int no_socket = kernel_enumerator("skb_drop_reason", "SKB_DROP_REASON_NO_SOCKET");

	hooks[HOOK_RECEIVE_QUEUE_DROP].program = skeleton->progs.dns_receive_queue_drop;
	hooks[HOOK_LATE_AFTER_CLOSE].program = skeleton->progs.dns_late_after_close;
	hooks[HOOK_SWEEP].program = skeleton->progs.dns_sweep;
	hooks[HOOK_SWEEP].elements = skeleton->maps.queries;
	hooks[HOOK_SWEEP_OVERFLOW].program = skeleton->progs.dns_sweep_overflow;
	hooks[HOOK_SWEEP_OVERFLOW].elements = skeleton->maps.queries_overflow;
	hooks[HOOK_CONNECT4].program = skeleton->progs.dns_connect4;
	hooks[HOOK_CONNECT6].program = skeleton->progs.dns_connect6;
	hooks[HOOK_INGRESS].program = skeleton->progs.dns_ingress;
	hooks[HOOK_EGRESS].program = skeleton->progs.dns_egress;
	hook_needs_tracepoint(&hooks[HOOK_RECEIVE_QUEUE_DROP], "udp:udp_fail_queue_rcv_skb");
	if (no_socket < 0)
		hook_leave_out(&hooks[HOOK_LATE_AFTER_CLOSE], "this kernel does not say why it drops packets (it needs 5.17)");
	else
		skeleton->rodata->reason_no_socket = no_socket;
}

static int receive_record(void *context, void *record, size_t size)
{
	(void)context;
	output_record(FRAME_DNS_QUERIES, record, size);
	return 0;
}

static int open_object(void)
{
	__u64 seeds[2];

	skeleton = dns_bpf__open();
	if (!skeleton)
		return -errno;
	choose_programs();
	if (getrandom(seeds, sizeof(seeds), 0) != sizeof(seeds))
		return -errno;
	skeleton->rodata->query_name_seed = seeds[0];
	skeleton->rodata->place_seed = seeds[1];
	skeleton->rodata->has_task_pointer = libbpf_probe_bpf_helper(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_FUNC_get_current_task_btf, NULL) == 1 &&
					     libbpf_probe_bpf_helper(BPF_PROG_TYPE_CGROUP_SKB, BPF_FUNC_get_current_task_btf, NULL) == 1;
	skeleton->bss->deadline_ns = environment->options->dns_deadline_ns;
	return 0;
}

static void size_object(__u32 ring_bytes, __u32 pending_max)
{
	skeleton->rodata->wakeup_bytes = ring_bytes / 8;
	skeleton->rodata->sweep_bytes = ring_bytes / 2;
	skeleton->rodata->query_mask = pending_max - 1;
	bpf_map__set_max_entries(skeleton->maps.records, ring_bytes);
	bpf_map__set_max_entries(skeleton->maps.queries, FAR_QUERIES_BEGIN + pending_max);
	bpf_map__set_max_entries(skeleton->maps.queries_overflow, pending_max / 4);
}

static void unload(void)
{
	ring_buffer__free(ring);
	ring = NULL;
	dns_bpf__destroy(skeleton);
	skeleton = NULL;
}

/* Loads with tables of the size. What is wrong then stands in `unavailable`. */
static bool load_object(__u32 ring_bytes, __u32 pending_max)
{
	int error;

	*unavailable = 0;
	object_forget_complaint();
	error = open_object();
	if (!error) {
		size_object(ring_bytes, pending_max);
		object_preallocate_for_kernel(skeleton->obj);
		error = dns_bpf__load(skeleton);
	}
	if (!error) {
		ring = object_open_ring(skeleton->maps.records, receive_record);
		error = ring ? 0 : -errno;
	}
	if (!error)
		return true;
	snprintf(unavailable, sizeof(unavailable), "the kernel refuses the programs: %s (%s)", strerror(-error), object_complaint());
	unload();
	return false;
}

static void load(const struct environment *found)
{
	environment = found;
	if (*found->unavailable) {
		snprintf(unavailable, sizeof(unavailable), "%s", found->unavailable);
		return;
	}
	/* With tables of the smallest size, to see whether it can be done. */
	if (load_object(4096, WAYS))
		unload();
	else
		output_diagnostic("error", "dns_unavailable", "%s", unavailable);
}

static const char *reason_without(enum hook_number hook)
{
	return *unavailable ? unavailable : hooks[hook].unavailable;
}

static void capabilities(struct json *json)
{
	object_append_capability(json, "dns.client", reason_without(HOOK_EGRESS));
	object_append_capability(json, "dns.resolver", reason_without(HOOK_INGRESS));
	object_append_capability(json, "dns.late_after_close", reason_without(HOOK_LATE_AFTER_CLOSE));
	object_append_capability(json, "dns.receive_queue_drops", reason_without(HOOK_RECEIVE_QUEUE_DROP));
}

/* ── Attach ─────────────────────────────────────────────────────────────────────────────────────────────────────────── */

/* All or nothing. Returns NULL or what failed. */
static const char *attach(void)
{
	const char *wrong = hooks_attach(hooks, HOOK_COUNT, HOOKS_ALL, environment->cgroup_descriptor);

	attached = !wrong;
	if (attached)
		dns_drops_begin();
	return wrong;
}

static void consume(void)
{
	if (ring)
		ring_buffer__consume(ring);
}

#define SWEEPING "look through unanswered DNS queries"

/* A flood that stays without answers fills the ring several times over: what does not fit, another run finds. */
static void run_sweep(bool all)
{
	skeleton->bss->sweep_now_ns = clock_monotonic_ns();
	skeleton->bss->sweep_all = all;
	do {
		skeleton->bss->sweep_again = false;
		object_run_iterator(hooks[HOOK_SWEEP].link, SWEEPING);
		object_run_iterator(hooks[HOOK_SWEEP_OVERFLOW].link, SWEEPING);
		consume();
	} while (skeleton->bss->sweep_again);
}

static void add_counters(struct counters *sum, const struct counters *more)
{
	__u64 *to = (__u64 *)sum;
	const __u64 *from = (const __u64 *)more;

	for (size_t i = 0; i < sizeof(*sum) / sizeof(*to); i++)
		to[i] += from[i];
}

/* New queries stop coming first; then what is under way is reported or counted, still by the old filter. */
static void detach_and_settle(void)
{
	struct bpf_program *programs[HOOK_COUNT];
	struct counters counters;

	hook_detach(&hooks[HOOK_EGRESS]);
	hook_detach(&hooks[HOOK_INGRESS]);
	run_sweep(true);
	dns_drops_report(skeleton);
	hooks_detach(hooks, HOOK_COUNT, HOOKS_ALL);
	consume();
	counters = object_counters(skeleton->maps.counts);
	add_counters(&earlier, &counters);
	attached = false;
	cost_unloading(programs, hooks_programs(hooks, HOOK_COUNT, programs, HOOK_COUNT));
	unload();
}

static void watch_ports(const struct slots *slots)
{
	__u64 *ports = skeleton->bss->dns_ports;

	memset(ports, 0, sizeof(skeleton->bss->dns_ports));
	for (__u32 i = 0; i < slots->count; i++) {
		const struct slot *slot = &slots->slot[i];

		if (!slot_has_probe(slot, PROBE_DNS))
			continue;
		if (!slot->spec.dns_port_count)
			ports[DNS_PORT / 64] |= 1ULL << DNS_PORT % 64;
		for (size_t p = 0; p < slot->spec.dns_port_count; p++) {
			__u16 port;

			memcpy(&port, slot->dns_ports + p * sizeof(port), sizeof(port));
			ports[port / 64] |= 1ULL << port % 64;
		}
	}
}

static const char *apply(const struct slots *slots)
{
	struct filter_maps maps = {
		.value_slots = bpf_map__fd(skeleton->maps.value_slots),
		.prefix_slots = bpf_map__fd(skeleton->maps.prefix_slots),
		.process_name_slots = bpf_map__fd(skeleton->maps.process_name_slots),
		.query_name_slots = bpf_map__fd(skeleton->maps.query_name_slots),
		.query_name_seed = skeleton->rodata->query_name_seed,
	};
	__u32 current = skeleton->bss->active_generation & 1, next = current ^ 1;
	struct filter *filter = &skeleton->bss->filters[next];
	int error = filter_install(slots, PROBE_DNS, filter, &maps, next);
	static char text[200];

	if (error)
		memset(filter, 0, sizeof(*filter));
	skeleton->bss->usual_port_slots[next] = dns_slots_of_port(skeleton, DNS_PORT, next);
	__atomic_store_n(&skeleton->bss->active_generation, next, __ATOMIC_SEQ_CST);
	watch_ports(slots);
	filter_remove(&maps, current);
	if (!error)
		return attached ? NULL : attach();
	snprintf(text, sizeof(text), "cannot fill the filter: %s", strerror(-error));
	return text;
}

static const char *configure(const struct slots *slots)
{
	const struct kernel_options *options = environment->options;
	const char *wrong;

	if (!slots_want(slots, PROBE_DNS)) {
		if (attached)
			detach_and_settle();
		return NULL;
	}
	if (!skeleton && (*environment->unavailable || !load_object(options->ring_bytes, options->dns_pending_max)))
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

/* ── Run ────────────────────────────────────────────────────────────────────────────────────────────────────────────── */

static void sweep(void)
{
	run_sweep(false);
	dns_drops_report(skeleton);
}

static void append_stats(struct json *json)
{
	struct counters counters = earlier;

	if (skeleton) {
		struct counters now = object_counters(skeleton->maps.counts);

		add_counters(&counters, &now);
	}
	object_append_counts(json, &counters);
	json_format(json, ",\"tcpStream\":%llu},\"ignored\":{\"malformed\":%llu,\"unsolicited\":%llu}", counters.tcp_stream, counters.malformed,
		    counters.unsolicited);
}

static size_t loaded_programs(struct bpf_program *programs[], size_t room)
{
	return skeleton ? hooks_programs(hooks, HOOK_COUNT, programs, room) : 0;
}

static void end(void)
{
	if (attached)
		detach_and_settle();
}

const struct observer dns_observer = {
	.probe = PROBE_DNS,
	.name = "dns",
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
