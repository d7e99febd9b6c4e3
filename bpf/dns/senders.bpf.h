/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Which process sends by a socket. A datagram leaves within its sender's system call, so that there the current task tells; segments of TCP leave when the
 * window allows it, in anybody's context, so there it is who called connect().
 */
#ifndef SYNSCOPE_DNS_SENDERS_BPF_H
#define SYNSCOPE_DNS_SENDERS_BPF_H

#include <bpf/bpf_core_read.h>

#include "../dns.h"
#include "../process.bpf.h"

/*
 * By socket cookie, in sets of WAYS. In: connect() to DNS ports, and datagrams from and to them. Out: never by itself; whoever needs room takes the place of the sender
 * of its set that was used longest ago.
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

/* Where the socket's entry is or, if it has none, the one that gives up its place. */
static __always_inline __u32 sender_place(__u64 cookie)
{
	__u64 oldest_ns = UNKNOWN_U64;
	__u32 oldest = SENDER_NONE;

	for (__u32 way = 0; way < WAYS; way++) {
		__u32 at = (cookie % SENDER_SETS) * WAYS + way;
		struct dns_sender *sender = bpf_map_lookup_elem(&senders, &at);

		if (!sender)
			break;
		if (sender->cookie == cookie)
			return at;
		if (sender->used_ns < oldest_ns) {
			oldest_ns = sender->used_ns;
			oldest = at;
		}
	}
	return oldest;
}

/* Notes that the current task sends by the socket; returns the place of its entry. */
__noinline __u32 sender_remember(__u64 cookie, __u64 now)
{
	__u32 number = sender_place(cookie);
	struct dns_sender *sender = bpf_map_lookup_elem(&senders, &number);
	struct task_struct *task;
	__u64 thread = current_thread();

	if (!sender || !thread)
		return SENDER_NONE;
	if (sender->cookie == cookie && sender->thread == thread)
		return number;
	/* In between it belongs to nobody. */
	*(volatile __u64 *)&sender->cookie = 0;
	task = (struct task_struct *)bpf_get_current_task();
	sender->thread = thread;
	sender->used_ns = now;
	sender->netns = BPF_CORE_READ(task, nsproxy, net_ns, ns.inum);
	sender->pid = current_process(sender->process_name, &sender->cgroup_id);
	*(volatile __u64 *)&sender->cookie = cookie;
	return number;
}

/* What is not known yet of a query's process. `sending`: we are in its system call. */
static __always_inline struct dns_sender *sender_of(struct dns_query_record *record, __u64 cookie, __u64 now, bool sending)
{
	__u32 number = sending ? sender_remember(cookie, now) : sender_number(cookie);
	struct dns_sender *sender = bpf_map_lookup_elem(&senders, &number);

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
