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
#include "filter.h"
#include "object.h"
#include "observer.h"

/* Attached in this order. */
enum hook {
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

static const char *const hook_names[HOOK_COUNT] = {
	[HOOK_RECEIVE_QUEUE_DROP] = "tp_btf/udp_fail_queue_rcv_skb",
	[HOOK_LATE_AFTER_CLOSE] = "tp_btf/kfree_skb",
	[HOOK_SWEEP] = "iter/bpf_map_elem",
	[HOOK_SWEEP_OVERFLOW] = "iter/bpf_map_elem (overflow)",
	[HOOK_CONNECT4] = "cgroup/connect4",
	[HOOK_CONNECT6] = "cgroup/connect6",
	[HOOK_INGRESS] = "cgroup_skb/ingress",
	[HOOK_EGRESS] = "cgroup_skb/egress",
};

static const struct environment *environment;
static struct dns_bpf *skeleton;
static struct ring_buffer *ring;
static struct bpf_program *programs[HOOK_COUNT];
static struct bpf_link *links[HOOK_COUNT];
static bool attached;
/* When the period of drops under way began. */
static __u64 period_began_ns;
/* Counted by objects that are unloaded since. */
static struct counters earlier;

/* Why a hook, or all of them, cannot be had; empty = it can. */
static char unavailable[512];
static char hook_unavailable[HOOK_COUNT][256];

/* ── Load ───────────────────────────────────────────────────────────────────────────────────────────────────────────── */

static void without_hook(enum hook hook, const char *reason)
{
	snprintf(hook_unavailable[hook], sizeof(hook_unavailable[hook]), "%s", reason);
	bpf_program__set_autoload(programs[hook], false);
}

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

	programs[HOOK_RECEIVE_QUEUE_DROP] = skeleton->progs.dns_receive_queue_drop;
	programs[HOOK_LATE_AFTER_CLOSE] = skeleton->progs.dns_late_after_close;
	programs[HOOK_SWEEP] = skeleton->progs.dns_sweep;
	programs[HOOK_SWEEP_OVERFLOW] = skeleton->progs.dns_sweep_overflow;
	programs[HOOK_CONNECT4] = skeleton->progs.dns_connect4;
	programs[HOOK_CONNECT6] = skeleton->progs.dns_connect6;
	programs[HOOK_INGRESS] = skeleton->progs.dns_ingress;
	programs[HOOK_EGRESS] = skeleton->progs.dns_egress;
	*hook_unavailable[HOOK_RECEIVE_QUEUE_DROP] = *hook_unavailable[HOOK_LATE_AFTER_CLOSE] = 0;
	if (libbpf_find_vmlinux_btf_id("udp_fail_queue_rcv_skb", BPF_TRACE_RAW_TP) < 0)
		without_hook(HOOK_RECEIVE_QUEUE_DROP, "this kernel has no tracepoint udp:udp_fail_queue_rcv_skb");
	if (no_socket < 0)
		without_hook(HOOK_LATE_AFTER_CLOSE, "this kernel does not say why it drops packets (it needs 5.17)");
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

static const char *reason_without(enum hook hook)
{
	return *unavailable ? unavailable : hook_unavailable[hook];
}

static void capabilities(struct json *json)
{
	object_append_capability(json, "dns.client", reason_without(HOOK_EGRESS));
	object_append_capability(json, "dns.resolver", reason_without(HOOK_INGRESS));
	object_append_capability(json, "dns.late_after_close", reason_without(HOOK_LATE_AFTER_CLOSE));
	object_append_capability(json, "dns.receive_queue_drops", reason_without(HOOK_RECEIVE_QUEUE_DROP));
}

/* ── Attach ─────────────────────────────────────────────────────────────────────────────────────────────────────────── */

static struct bpf_link *attach_hook(enum hook hook)
{
	switch (hook) {
	case HOOK_SWEEP:
		return object_attach_to_elements(programs[hook], skeleton->maps.queries);
	case HOOK_SWEEP_OVERFLOW:
		return object_attach_to_elements(programs[hook], skeleton->maps.queries_overflow);
	case HOOK_RECEIVE_QUEUE_DROP:
	case HOOK_LATE_AFTER_CLOSE:
		return bpf_program__attach(programs[hook]);
	default:
		return bpf_program__attach_cgroup(programs[hook], environment->cgroup_descriptor);
	}
}

static void detach(int hook)
{
	bpf_link__destroy(links[hook]);
	links[hook] = NULL;
}

/* All or nothing. Returns NULL or what failed. */
static const char *attach(void)
{
	static char complaint[600];

	object_forget_complaint();
	for (int hook = 0; hook < HOOK_COUNT; hook++) {
		if (*hook_unavailable[hook])
			continue;
		links[hook] = attach_hook((enum hook)hook);
		if (links[hook])
			continue;
		snprintf(complaint, sizeof(complaint), "cannot attach %s: %s (%s)", hook_names[hook], strerror(errno), object_complaint());
		while (hook--)
			detach(hook);
		return complaint;
	}
	attached = true;
	period_began_ns = clock_monotonic_ns();
	return NULL;
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
		object_run_iterator(links[HOOK_SWEEP], SWEEPING);
		object_run_iterator(links[HOOK_SWEEP_OVERFLOW], SWEEPING);
		consume();
	} while (skeleton->bss->sweep_again);
}

static __u64 slots_of_port(__u16 port, __u32 generation)
{
	struct value_key key = {.generation = generation, .value = port, .criterion = CRITERION_DNS_PORT};
	__u64 slots = 0;

	bpf_map_lookup_elem(bpf_map__fd(skeleton->maps.value_slots), &key, &slots);
	return slots;
}

/* The sessions that ask for what the socket serves. */
static __u64 slots_of_drop(const struct receive_queue_drop_record *record, const struct filter *filter)
{
	/* A client's socket is connected to a port that is watched; which one, is not kept. */
	if (record->side == SIDE_CLIENT)
		return filter->end_slots[SIDE_CLIENT];
	return filter->end_slots[SIDE_RESOLVER] & slots_of_port(record->local_port, skeleton->bss->active_generation & 1);
}

static void report_drop(const struct drop_value *value, __u32 cause)
{
	const struct filter *filter = &skeleton->bss->filters[skeleton->bss->active_generation & 1];
	struct receive_queue_drop_record record = value->record;

	record.observed_ns = clock_monotonic_ns();
	record.interval_ns = record.observed_ns - period_began_ns;
	record.drops = value->drops;
	record.cause = (__u8)cause;
	record.revision = filter->revision;
	record.slots = slots_of_drop(&record, filter);
	if (record.slots)
		output_record(FRAME_RECEIVE_QUEUE_DROPS, &record, sizeof(record));
}

/* Ends the period under way. */
static void report_drops(void)
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
		report_drop(&value, key.cause);
		bpf_map_delete_elem(map, &key);
	}
	period_began_ns = clock_monotonic_ns();
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
	struct counters counters;

	detach(HOOK_EGRESS);
	detach(HOOK_INGRESS);
	run_sweep(true);
	report_drops();
	for (int hook = 0; hook < HOOK_COUNT; hook++)
		detach(hook);
	consume();
	counters = object_counters(skeleton->maps.counts);
	add_counters(&earlier, &counters);
	attached = false;
	cost_unloading(programs, HOOK_COUNT);
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
	skeleton->bss->usual_port_slots[next] = slots_of_port(DNS_PORT, next);
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
	for (int hook = 0; hook < HOOK_COUNT; hook++)
		if (links[hook])
			json_format(json, "\"%s\",", hook_names[hook]);
}

/* ── Run ────────────────────────────────────────────────────────────────────────────────────────────────────────────── */

static void sweep(void)
{
	run_sweep(false);
	report_drops();
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

static size_t loaded_programs(struct bpf_program *loaded[], size_t room)
{
	size_t count = 0;

	for (int hook = 0; skeleton && hook < HOOK_COUNT && count < room; hook++)
		loaded[count++] = programs[hook];
	return count;
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
