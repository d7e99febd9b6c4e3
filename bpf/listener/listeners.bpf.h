/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The listening sockets that are watched. */
#ifndef SYNSCOPE_LISTENERS_BPF_H
#define SYNSCOPE_LISTENERS_BPF_H

#include "../address.bpf.h"
#include "../filter.bpf.h"
#include "../kernel_types.h"
#include "../listener.h"
#include "../records.bpf.h"

/*
 * In: the first segment of a listener that a session may want, or a walk through the files of all processes (owners.bpf.h). Out: listener_report, once
 * the socket is gone and all that happened to it is reported. Full: counted in pending_table_full, once per segment that finds no place.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, LISTENERS_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);
	__type(value, struct listener);
} listeners SEC(".maps");

/* What a new entry begins with: it is too long for the stack. Never written. */
struct listener no_listener = {};

/* Raised by the loader at the end of each interval; it sets 1 before the load. */
volatile __u32 period = 0;

static __always_inline bool wanted_port(__u16 port)
{
	const struct filter *filter = &filters[generation()];
	__u64 slots = filter->end_slots[1];

	if (slots & ~filter->any_local_port)
		slots &= filter->any_local_port | slots_by_value(CRITERION_LOCAL_PORT, port);
	return slots;
}

/* The settings of a namespace; `net` may be any pointer that bpf_probe_read_kernel() takes. */
static __always_inline void read_settings(struct listener_record *record, struct net *net)
{
	record->somaxconn = BPF_CORE_READ_BITFIELD_PROBED(net, core.sysctl_somaxconn);
	record->tcp_max_syn_backlog = BPF_CORE_READ_BITFIELD_PROBED(net, ipv4.sysctl_max_syn_backlog);
	record->tcp_syncookies = BPF_CORE_READ_BITFIELD_PROBED(net, ipv4.sysctl_tcp_syncookies);
	record->tcp_abort_on_overflow = BPF_CORE_READ_BITFIELD_PROBED(net, ipv4.sysctl_tcp_abort_on_overflow);
}

/* The queues at this moment. */
static __always_inline void read_queues(struct listener *listener, struct sock *sk)
{
	struct inet_connection_sock *connection = (void *)sk;

	listener->record.accept_queue_length = BPF_CORE_READ(sk, sk_ack_backlog);
	listener->record.accept_queue_limit = BPF_CORE_READ(sk, sk_max_ack_backlog);
	listener->record.syn_queue_length = BPF_CORE_READ(connection, icsk_accept_queue.qlen.counter);
	listener->drops_sampled = BPF_CORE_READ(sk, sk_drops.counter);
}

/* The entry, made if there is none; NULL, counted, if there is no room. `sk` may be any pointer that bpf_probe_read_kernel() takes. */
static __always_inline struct listener *listener_of(__u64 cookie, struct sock *sk, __u64 cgroup_id)
{
	struct listener *listener = bpf_map_lookup_elem(&listeners, &cookie);
	long refused;

	if (listener)
		return listener;
	refused = bpf_map_update_elem(&listeners, &cookie, &no_listener, BPF_NOEXIST);
	listener = bpf_map_lookup_elem(&listeners, &cookie);
	if (!listener)
		count_table_full();
	/* Another CPU made it and fills it in. */
	if (!listener || refused)
		return listener;
	listener->first_seen_ns = bpf_ktime_get_ns();
	listener->reported_ns = listener->first_seen_ns;
	listener->record.cgroup_id = cgroup_id;
	listener->record.local_port = BPF_CORE_READ(sk, __sk_common.skc_num);
	listener->record.netns = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
	if (BPF_CORE_READ(sk, __sk_common.skc_family) == AF_INET)
		set_ipv4(listener->record.local_address, BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr));
	else
		bpf_core_read(listener->record.local_address, 16, &sk->__sk_common.skc_v6_rcv_saddr);
	read_settings(&listener->record, BPF_CORE_READ(sk, __sk_common.skc_net.net));
	read_queues(listener, sk);
	listener->drops_before = listener->drops_sampled;
	listener->socket = (__u64)sk;
	/* Last: until then nobody reports it. */
	*(volatile __u64 *)&listener->record.socket_cookie = cookie;
	return listener;
}

static __always_inline void note_peaks(struct listener *listener, __u32 accept_queue, __u32 syn_queue)
{
	__u32 now = period;
	struct listener_peaks *peaks = &listener->peaks[now & 1];

	if (peaks->period != now) {
		peaks->accept_queue = 0;
		peaks->syn_queue = 0;
		peaks->period = now;
	}
	if (peaks->accept_queue < accept_queue)
		peaks->accept_queue = accept_queue;
	if (peaks->syn_queue < syn_queue)
		peaks->syn_queue = syn_queue;
}

#endif
