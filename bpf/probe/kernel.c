// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
#include "kernel.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "cost.h"
#include "handshake.skel.h"
#include "privilege.h"

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

static struct kernel_options options;
static struct handshake_bpf *skeleton;
static struct ring_buffer *ring;
static struct bpf_program *programs[HOOK_COUNT];
static struct bpf_link *links[HOOK_COUNT];
static int cgroup_descriptor = -1;
static bool attached;
/* The hooks of the server's side are among those attached. */
static bool serving;

/* Why a hook, or all of them, cannot be had; empty = it can. */
static char unavailable[512];
static char hook_unavailable[HOOK_COUNT][256];

/* Why libbpf could not load: the first thing it complained of, with the verifier's last words if there are any. */
static char libbpf_complaint[400];

static void keep_verifier_words(const char *log)
{
	const char *end = strstr(log, "\nprocessed "), *begin;

	if (!end)
		return;
	for (begin = end; begin > log && begin[-1] != '\n'; begin--)
		;
	snprintf(libbpf_complaint + strlen(libbpf_complaint), sizeof(libbpf_complaint) - strlen(libbpf_complaint), ": %.*s", (int)(end - begin), begin);
}

static int keep_libbpf_complaint(enum libbpf_print_level level, const char *format, va_list arguments)
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
	else if (!*libbpf_complaint)
		snprintf(libbpf_complaint, sizeof(libbpf_complaint), "%.*s", (int)strcspn(text, "\n"), text);
	return 0;
}

/* ── Load ───────────────────────────────────────────────────────────────────────────────────────────────────────────── */

/* The first mount of cgroup v2, from the 5th and the 9th-or-later field of /proc/self/mountinfo (proc(5)). */
static bool find_cgroup_mount(char *path, size_t size)
{
	FILE *mounts = fopen("/proc/self/mountinfo", "re");
	char line[4096], mount_point[1024];
	bool found = false;

	while (mounts && !found && fgets(line, sizeof(line), mounts)) {
		const char *type = strstr(line, " - ");

		found = type && !strncmp(type, " - cgroup2 ", 11) && sscanf(line, "%*s %*s %*s %*s %1023s", mount_point) == 1;
	}
	if (mounts)
		fclose(mounts);
	if (found)
		snprintf(path, size, "%s", mount_point);
	return found;
}

static void without_hook(enum hook hook, const char *reason)
{
	snprintf(hook_unavailable[hook], sizeof(hook_unavailable[hook]), "%s", reason);
	bpf_program__set_autoload(programs[hook], false);
}

static void choose_programs(void)
{
	int tracefs = privilege_mount_tracefs();

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
	if (tracefs) {
		char reason[160];

		snprintf(reason, sizeof(reason), "tracefs is not mounted and cannot be (%s): mount -t tracefs tracefs /sys/kernel/tracing", strerror(-tracefs));
		without_hook(HOOK_EXIT_ACCEPT, reason);
		without_hook(HOOK_EXIT_ACCEPT4, reason);
	}
}

static int receive_record(void *context, void *record, size_t size)
{
	(void)context;
	(void)size;
	output_handshake(record);
	return 0;
}

static const char *missing_capability(void)
{
	if (!privilege_has(CAP_BPF) && !privilege_has(CAP_SYS_ADMIN))
		return "CAP_BPF";
	if (!privilege_has(CAP_PERFMON) && !privilege_has(CAP_SYS_ADMIN))
		return "CAP_PERFMON";
	return privilege_has(CAP_NET_ADMIN) ? NULL : "CAP_NET_ADMIN";
}

/* Few handshakes are older than a whole table of later ones. */
static __u32 overflow_max(__u32 table)
{
	return table < 4 ? 1 : table / 4;
}

static bool load(void)
{
	char cgroup[1024];
	int error;

	if (access("/sys/kernel/btf/vmlinux", R_OK)) {
		snprintf(unavailable, sizeof(unavailable), "this kernel shows no type information (/sys/kernel/btf/vmlinux): it needs CONFIG_DEBUG_INFO_BTF=y");
		return false;
	}
	if (missing_capability()) {
		snprintf(unavailable, sizeof(unavailable), "the probe lacks %s: run it as root, or give it CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN", missing_capability());
		return false;
	}
	if (!options.cgroup && !find_cgroup_mount(cgroup, sizeof(cgroup))) {
		snprintf(unavailable, sizeof(unavailable), "cgroup v2 is not mounted: mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified, or name a folder with --cgroup");
		return false;
	}
	cgroup_descriptor = open(options.cgroup ? options.cgroup : cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (cgroup_descriptor < 0) {
		snprintf(unavailable, sizeof(unavailable), "cannot open the cgroup %s: %s", options.cgroup ? options.cgroup : cgroup, strerror(errno));
		return false;
	}
	skeleton = handshake_bpf__open();
	if (!skeleton) {
		snprintf(unavailable, sizeof(unavailable), "cannot read the BPF object: %s", strerror(errno));
		return false;
	}
	choose_programs();
	skeleton->rodata->has_task_pointer = libbpf_probe_bpf_helper(BPF_PROG_TYPE_SOCK_OPS, BPF_FUNC_get_current_task_btf, NULL) == 1;
	bpf_map__set_max_entries(skeleton->maps.records, options.ring_bytes);
	skeleton->rodata->table_mask = options.pending_max - 1;
	bpf_map__set_max_entries(skeleton->maps.attempts, options.pending_max);
	bpf_map__set_max_entries(skeleton->maps.pendings, options.pending_max);
	bpf_map__set_max_entries(skeleton->maps.attempts_overflow, overflow_max(options.pending_max));
	bpf_map__set_max_entries(skeleton->maps.pendings_overflow, overflow_max(options.pending_max));
	skeleton->bss->accept_deadline_ns = options.accept_deadline_ns;
	error = handshake_bpf__load(skeleton);
	if (!error) {
		ring = ring_buffer__new(bpf_map__fd(skeleton->maps.records), receive_record, NULL, NULL);
		error = ring ? 0 : -errno;
	}
	if (error) {
		snprintf(unavailable, sizeof(unavailable), "the kernel refuses the programs: %s (%s)", strerror(-error), libbpf_complaint);
		handshake_bpf__destroy(skeleton);
		skeleton = NULL;
		return false;
	}
	return true;
}

void kernel_load(const struct kernel_options *chosen)
{
	options = *chosen;
	libbpf_set_print(keep_libbpf_complaint);
	if (!load())
		output_diagnostic("error", "tcp_handshake_unavailable", "%s", unavailable);
	/* The kernel's type information took some megabytes, and is not needed again. */
	malloc_trim(0);
}

static void append_capability(struct json *json, const char *name, bool available, const char *detail)
{
	json_format(json, "{\"name\":\"%s\",\"available\":%s,\"detail\":", name, available ? "true" : "false");
	json_string(json, detail);
	json_format(json, "},");
}

static void append_hook_capability(struct json *json, const char *name, enum hook hook)
{
	const char *detail = skeleton ? hook_unavailable[hook] : unavailable;

	append_capability(json, name, !*detail, detail);
}

void kernel_capabilities(struct json *json)
{
	json_format(json, "[");
	append_hook_capability(json, "tcp_handshake.client", HOOK_SOCKOPS);
	append_hook_capability(json, "tcp_handshake.server", HOOK_SOCKOPS);
	append_hook_capability(json, "tcp_handshake.accept_wait", HOOK_EXIT_ACCEPT4);
	append_hook_capability(json, "tcp_handshake.syn_ack_retransmits", HOOK_RETRANSMIT_SYNACK);
	append_hook_capability(json, "tcp_handshake.server_reset", HOOK_KFREE_SKB);
	json_drop_comma(json);
	json_format(json, "]");
}

/* ── Attach ─────────────────────────────────────────────────────────────────────────────────────────────────────────── */

static struct bpf_link *attach_to_elements(struct bpf_program *program, struct bpf_map *map)
{
	union bpf_iter_link_info iterated = {.map.map_fd = (__u32)bpf_map__fd(map)};
	/* Only its own member of the union: 5.10 knows no other and refuses bytes behind it. */
	DECLARE_LIBBPF_OPTS(bpf_iter_attach_opts, options, .link_info = &iterated, .link_info_len = sizeof(iterated.map));

	return bpf_program__attach_iter(program, &options);
}

static struct bpf_link *attach_hook(enum hook hook)
{
	switch (hook) {
	case HOOK_SOCKOPS:
		return bpf_program__attach_cgroup(programs[hook], cgroup_descriptor);
	case HOOK_SWEEP:
		return attach_to_elements(programs[hook], skeleton->maps.pendings);
	case HOOK_SWEEP_OVERFLOW:
		return attach_to_elements(programs[hook], skeleton->maps.pendings_overflow);
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

	*libbpf_complaint = 0;
	for (int hook = 0; hook < HOOK_COUNT; hook++) {
		if (links[hook] || *hook_unavailable[hook] || (is_of_server(hook) && !servers))
			continue;
		links[hook] = attach_hook((enum hook)hook);
		if (!links[hook]) {
			snprintf(complaint, sizeof(complaint), "cannot attach %s: %s (%s)", hook_names[hook], strerror(errno), libbpf_complaint);
			detach_sockops();
			detach_server();
			return complaint;
		}
	}
	serving = servers;
	if (!attached)
		cost_attached(options.cost_sample_seconds);
	attached = true;
	return NULL;
}

/* Reading an iterator runs its program over every element. */
static void run_iterator(const struct bpf_link *link)
{
	int iterator = bpf_iter_create(bpf_link__fd(link));
	char nothing[8];

	if (iterator < 0) {
		output_diagnostic("error", "iterator_failed", "cannot look through unfinished handshakes: %s", strerror(errno));
		return;
	}
	do
		errno = 0;
	while (read(iterator, nothing, sizeof(nothing)) > 0 || errno == EAGAIN);
	close(iterator);
}

static void run_sweep(bool all)
{
	skeleton->bss->sweep_now_ns = clock_monotonic_ns();
	skeleton->bss->sweep_all = all;
	run_iterator(links[HOOK_SWEEP]);
	run_iterator(links[HOOK_SWEEP_OVERFLOW]);
}

static struct counters sum_counters(void)
{
	int cpus = libbpf_num_possible_cpus();
	struct counters per_cpu[cpus > 0 ? cpus : 1], sum = {};
	__u32 zero = 0;

	if (!skeleton || cpus < 1 || bpf_map_lookup_elem(bpf_map__fd(skeleton->maps.counts), &zero, per_cpu))
		return sum;
	for (int cpu = 0; cpu < cpus; cpu++) {
		const __u64 *from = (const __u64 *)&per_cpu[cpu];
		__u64 *to = (__u64 *)&sum;

		for (size_t i = 0; i < sizeof(sum) / sizeof(*to); i++)
			to[i] += from[i];
	}
	return sum;
}

/* Removes and counts the attempts that nobody will see the end of. */
static void write_off(struct bpf_map *attempts)
{
	struct bpf_link *link = attach_to_elements(skeleton->progs.handshake_write_off, attempts);

	if (!link) {
		output_diagnostic("error", "iterator_failed", "cannot count unfinished handshakes: %s", strerror(errno));
		return;
	}
	run_iterator(link);
	bpf_link__destroy(link);
}

/* New sockets stop coming first; then what is under way is reported or counted, still by the old filter. */
static void detach_and_settle(void)
{
	cost_detaching();
	detach_sockops();
	if (serving)
		run_sweep(true);
	detach_server();
	write_off(skeleton->maps.attempts);
	write_off(skeleton->maps.attempts_overflow);
}

bool kernel_attached(void)
{
	return attached;
}

static void append_error(struct json *json, const char *message)
{
	json_format(json, "{\"slot\":null,\"message\":");
	json_string(json, message);
	json_format(json, "},");
}

void kernel_configure(const struct slots *slots, struct json *json)
{
	const char *wrong = NULL;
	char text[200];

	if (!skeleton) {
		wrong = slots->count ? unavailable : NULL;
	} else {
		struct filter_maps maps = {
			.port_slots = bpf_map__fd(skeleton->maps.port_slots),
			.prefix_slots = bpf_map__fd(skeleton->maps.prefix_slots),
			.process_name_slots = bpf_map__fd(skeleton->maps.process_name_slots),
		};
		__u32 current = skeleton->bss->active_generation & 1, next = current ^ 1;
		int error = slots_install(slots, &skeleton->bss->filters[next], &maps, next);

		bool servers = !error && skeleton->bss->filters[next].role_slots[ROLE_SERVER];

		if (attached && (error || !slots->count))
			detach_and_settle();
		else if (serving && !servers)
			run_sweep(true);
		if (!error && slots->count)
			wrong = attach(servers || serving);
		if (error) {
			snprintf(text, sizeof(text), "cannot fill the filter: %s", strerror(-error));
			wrong = text;
			memset(&skeleton->bss->filters[next], 0, sizeof(skeleton->bss->filters[next]));
		}
		__atomic_store_n(&skeleton->bss->active_generation, next, __ATOMIC_SEQ_CST);
		slots_remove(&maps, current);
		if (serving && !servers) {
			/* What came between the sweep above and the new filter. */
			run_sweep(true);
			detach_server();
		}
		kernel_consume();
	}
	json_format(json, "\"attached\":%s,\"hooks\":[", attached ? "true" : "false");
	for (int hook = 0; hook < HOOK_COUNT; hook++)
		if (links[hook])
			json_format(json, "\"%s\",", hook_names[hook]);
	json_drop_comma(json);
	json_format(json, "],\"errors\":[");
	if (wrong)
		append_error(json, wrong);
	json_drop_comma(json);
	json_format(json, "]");
}

/* ── Run ────────────────────────────────────────────────────────────────────────────────────────────────────────────── */

int kernel_ring_descriptor(void)
{
	return ring ? ring_buffer__epoll_fd(ring) : -1;
}

void kernel_consume(void)
{
	if (ring)
		ring_buffer__consume(ring);
	output_flush();
}

void kernel_sweep(void)
{
	if (serving)
		run_sweep(false);
}

void kernel_stats(struct json *json)
{
	struct counters sum = sum_counters();

	json_format(json,
		    "\"offered\":%llu,\"emitted\":%llu,\"loss\":{\"ringFull\":%llu,\"pendingTableFull\":%llu,\"unfinishedAtDetach\":%llu},",
		    sum.emitted + sum.ring_full, sum.emitted, sum.ring_full, sum.pending_table_full, sum.unfinished);
	cost_append(json, programs, HOOK_COUNT);
}

void kernel_end(void)
{
	if (attached)
		detach_and_settle();
	kernel_consume();
	ring_buffer__free(ring);
	handshake_bpf__destroy(skeleton);
}
