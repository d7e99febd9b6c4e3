/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Which process sends by a socket: packets do not tell, connect() and sendmsg() do. */
#ifndef SYNSCOPE_DNS_SENDERS_BPF_H
#define SYNSCOPE_DNS_SENDERS_BPF_H

#include <bpf/bpf_core_read.h>

#include "../dns.h"
#include "../process.bpf.h"

/*
 * By socket cookie, in sets of WAYS. In: connect() and sendmsg() on DNS ports. Out: never by itself; whoever needs room takes the place of the sender
 * of its set that was used longest ago. A socket whose entry went has no known process until its next sendmsg().
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SENDER_SETS * WAYS);
	__type(key, __u32);
	__type(value, struct dns_sender);
} senders SEC(".maps");

/* Its place, or SENDER_NONE: a number, so that the verifier has one case to follow behind it. */
#define SENDER_NONE (SENDER_SETS * WAYS)
__noinline __u32 sender_number(__u64 cookie)
{
	__u32 found = SENDER_NONE;

	for (__u32 way = 0; way < WAYS; way++) {
		__u32 at = (cookie % SENDER_SETS) * WAYS + way;
		struct dns_sender *sender = bpf_map_lookup_elem(&senders, &at);

		if (sender && sender->cookie == cookie)
			found = at;
	}
	return found;
}

static __always_inline struct dns_sender *sender_find(__u64 cookie)
{
	__u32 number = sender_number(cookie);

	return number == SENDER_NONE ? NULL : bpf_map_lookup_elem(&senders, &number);
}

static __always_inline struct dns_sender *sender_place(__u64 cookie)
{
	struct dns_sender *oldest = NULL;

	for (__u32 way = 0; way < WAYS; way++) {
		__u32 at = (cookie % SENDER_SETS) * WAYS + way;
		struct dns_sender *sender = bpf_map_lookup_elem(&senders, &at);

		if (!sender)
			return NULL;
		if (sender->cookie == cookie)
			return sender;
		if (!oldest || sender->used_ns < oldest->used_ns)
			oldest = sender;
	}
	return oldest;
}

static __always_inline void sender_remember(struct bpf_sock_addr *ctx)
{
	__u64 cookie = bpf_get_socket_cookie(ctx), thread = bpf_get_current_pid_tgid();
	struct dns_sender *sender = sender_find(cookie);
	struct task_struct *task;

	if (sender && sender->thread == thread)
		return;
	sender = sender_place(cookie);
	if (!sender)
		return;
	/* In between it belongs to nobody. */
	*(volatile __u64 *)&sender->cookie = 0;
	task = (struct task_struct *)bpf_get_current_task();
	sender->thread = thread;
	sender->used_ns = bpf_ktime_get_ns();
	sender->netns = BPF_CORE_READ(task, nsproxy, net_ns, ns.inum);
	sender->pid = current_process(sender->process_name, &sender->cgroup_id);
	*(volatile __u64 *)&sender->cookie = cookie;
}

/* What is not known yet of a query's process. */
static __always_inline struct dns_sender *sender_of(struct dns_query_record *record, __u64 cookie, __u64 now)
{
	struct dns_sender *sender = sender_find(cookie);

	if (!sender)
		return NULL;
	sender->used_ns = now;
	record->netns = sender->netns;
	record->pid = sender->pid;
	record->cgroup_id = sender->cgroup_id;
	__builtin_memcpy(record->process_name, sender->process_name, PROCESS_NAME_LENGTH);
	return sender;
}

#endif
