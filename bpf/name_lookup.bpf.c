// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * What applications wait for: calls of getaddrinfo() in C libraries, one record per call that returns.
 *
 * Uprobes on the function's first instruction and on its return, attached by the loader to every library it finds. Only memory of
 * the caller is read, nothing is written.
 */
#include "kernel_types.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <linux/ptrace.h> /* struct pt_regs as perf and BPF see it: ABI */

#include "filter.bpf.h"
#include "name_lookup.h"
#include "process.bpf.h"
#include "query_names.bpf.h"
#include "records.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/*
 * In: the call. Out: the return; the next call of the same thread, if the last was left by longjmp(); the loader's sweep, if the thread
 * died inside the call; the loader at detach. Full: counted in pending_table_full.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096); /* the loader sets it */
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);
	__type(value, struct pending_lookup);
} lookups SEC(".maps");

static const struct pending_lookup unfilled;

static __always_inline void count_unfinished(void)
{
	struct counters *c = counters();

	if (c)
		c->unfinished++;
}

/*
 * The table's entry for a call that begins now, or NULL. A call from within a call (a module of the name service switch that looks up a
 * name itself) is part of the outer one, whose frame is still on the stack above it.
 */
static __always_inline struct pending_lookup *begin(__u64 thread, __u64 stack_pointer)
{
	struct pending_lookup *pending = bpf_map_lookup_elem(&lookups, &thread);

	if (pending) {
		if (stack_pointer < pending->stack_pointer)
			return NULL;
		count_unfinished();
		return pending;
	}
	if (bpf_map_update_elem(&lookups, &thread, &unfilled, BPF_NOEXIST)) {
		count_table_full();
		return NULL;
	}
	return bpf_map_lookup_elem(&lookups, &thread);
}

/* Whether the return needs to be looked at. Who calls is known now; the name is not. */
static __always_inline bool wanted_of_this_process(void)
{
	const struct filter *filter = &filters[generation()];
	__u64 slots = filter->end_slots[1], cgroup_id;
	char process_name[PROCESS_NAME_LENGTH];

	if (slots & filter->any_process_name)
		return true;
	current_process(process_name, &cgroup_id);
	return slots_by_process_name(slots, process_name);
}

SEC("uprobe")
int name_lookup_call(struct pt_regs *ctx)
{
	__u64 node = PT_REGS_PARM1(ctx), stack_pointer = PT_REGS_SP(ctx);
	struct pending_lookup *pending;

	/* Without a name there is nothing to look up: the caller wants the address of the host itself. */
	if (!node || !wanted_of_this_process())
		return 0;
	pending = begin(bpf_get_current_pid_tgid(), stack_pointer);
	if (!pending)
		return 0;
	pending->node = node;
	pending->hints = PT_REGS_PARM3(ctx);
	pending->stack_pointer = stack_pointer;
	pending->start_ns = bpf_ktime_get_ns();
	return 0;
}

/*
 * Read when the call returns: by then the library has touched the caller's memory, so it is present; when the call begins, a page of
 * constants may not be yet, and a probe cannot wait for it. Returns the name's length; 0 = no name, or it cannot be read.
 */
static __always_inline __u32 read_arguments(const struct pending_lookup *pending, struct name_lookup_record *record)
{
	const void *node = (const void *)pending->node;
	struct {
		int ai_flags;
		int ai_family; /* POSIX says only that it exists; second in glibc, musl and bionic */
	} hints = {};
	long read = bpf_probe_read_user_str(record->name, sizeof(record->name), node);
	__u8 next = 0;

	if (read < 0) {
		count_unfinished();
		return 0;
	}
	record->flags = 0;
	if (read == sizeof(record->name)) {
		bpf_probe_read_user(&next, sizeof(next), node + LOOKUP_NAME_LENGTH_MAX);
		if (next)
			record->flags = NAME_LOOKUP_FLAG_CUT;
	}
	if (pending->hints)
		bpf_probe_read_user(&hints, sizeof(hints), (const void *)pending->hints);
	record->family = hints.ai_family;
	return read > 0 ? read - 1 : 0;
}

/* Global functions are verified once, by themselves: what their branches do does not multiply the paths of the callers. */
__noinline __u64 slots_by_name_suffix(__u64 hash)
{
	return slots_by_name_hash(hash, true);
}

/* Of the name in this thread's entry: as the application wrote it, in any case, perhaps with a final dot. */
__noinline __u64 slots_by_looked_up_name(void)
{
	__u64 thread = bpf_get_current_pid_tgid(), hash = query_name_seed, slots = 0;
	struct pending_lookup *pending = bpf_map_lookup_elem(&lookups, &thread);
	const __u8 *name;
	__u32 length;

	if (!pending)
		return 0;
	name = pending->record.name;
	length = pending->record.name_length;
	if (length > 1 && name[(length - 1) & 255] == '.')
		length--;
	for (__u32 i = 1; i < LOOKUP_NAME_LENGTH_MAX; i++) {
		__u32 at = (length - i) & 255;

		if (i >= length)
			break;
		hash = query_name_step(hash, name[at]);
		if (name[(at - 1) & 255] == '.')
			slots |= slots_by_name_suffix(hash);
	}
	hash = query_name_step(hash, name[0]);
	return slots | slots_by_name_suffix(hash) | slots_by_name_hash(hash, false);
}

static __always_inline __u64 matching_slots(const struct name_lookup_record *record)
{
	const struct filter *filter = &filters[generation()];
	__u64 slots = slots_by_process_name(filter->end_slots[1], record->process_name);

	/* A lookup that failed passes whatever time it took. */
	if (!record->result_code && slots & ~filter->any_latency)
		slots &= slots_by_latency(record->latency_ns);
	if (slots & ~filter->any_query_name)
		slots &= filter->any_query_name | slots_by_looked_up_name();
	if (slots & ~filter->unsampled)
		slots &= slots_by_sample(bpf_get_prandom_u32());
	return slots;
}

static __always_inline void emit(struct name_lookup_record *record, __u32 name_length)
{
	/* The length again as a byte, in words that the verifier can follow. */
	__u64 size = (__builtin_offsetof(struct name_lookup_record, name) + (name_length & 255) + 7) & ~7ULL;
	struct counters *c = counters();
	long error;

	error = bpf_ringbuf_output(&records, record, size, wakeup_flag());
	if (!c)
		return;
	if (error)
		c->ring_full++;
	else
		c->emitted++;
}

static __always_inline void finish(struct pending_lookup *pending, __u64 now, __s32 result_code)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct name_lookup_record *record = &pending->record;
	__u32 name_length = read_arguments(pending, record);

	if (!name_length)
		return;
	record->observed_ns = now;
	record->latency_ns = now - pending->start_ns;
	record->result_code = result_code;
	record->name_length = name_length;
	record->pid = current_process(record->process_name, &record->cgroup_id);
	record->slots = matching_slots(record);
	if (!record->slots)
		return;
	record->revision = filters[generation()].revision;
	record->netns = BPF_CORE_READ(task, nsproxy, net_ns, ns.inum);
	emit(record, name_length);
}

SEC("uretprobe")
int name_lookup_return(struct pt_regs *ctx)
{
	__u64 now = bpf_ktime_get_ns(), thread = bpf_get_current_pid_tgid();
	struct pending_lookup *pending = bpf_map_lookup_elem(&lookups, &thread);

	/* The return of a call from within the call. */
	if (!pending || PT_REGS_SP(ctx) < pending->stack_pointer)
		return 0;
	finish(pending, now, PT_REGS_RC(ctx));
	bpf_map_delete_elem(&lookups, &thread);
	return 0;
}
