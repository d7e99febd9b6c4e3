/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What comes to a listener, and what becomes of it. */
#ifndef SYNSCOPE_LISTENER_SEGMENTS_BPF_H
#define SYNSCOPE_LISTENER_SEGMENTS_BPF_H

#include "../headers.bpf.h"
#include "listeners.bpf.h"

#define TCP_FLAG_FIN 0x01
#define TCP_FLAG_SYN 0x02
#define TCP_FLAG_RST 0x04
#define TCP_FLAG_ACK 0x10

/* Cookies are good for at least so long: until the second change of the kernel's minute (MAX_SYNCOOKIE_AGE of include/net/tcp.h). */
#define COOKIE_SECONDS 60

/*
 * The segment that came to a listener last on this CPU. The kernel decides about it right behind the hook, in the same softirq: nothing else comes
 * to a listener on this CPU before. What the kernel refuses leaves no other trace on kernels that give no reason for drops, so it is counted as
 * refused when it comes, and counted back by the callback that tells of the request, or of the child, that was made of it.
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct listener_segment);
} last_segment SEC(".maps");

/*
 * SYNs that were answered by a cookie, since no request tells of them when the third packet comes. Direct-mapped: a newer one overwrites one with the
 * same index, whose third packet is then not counted if it is dropped. Entries are never removed: what is there is compared before it is believed.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, COOKIE_SYNS);
	__type(key, __u32);
	__type(value, struct cookie_syn);
} cookie_syns SEC(".maps");

/* Set by the loader before the load. */
const volatile __u64 connection_seed = 1;

/*
 * Whether a SYN queue takes a request more when it holds as many as its limit says. Kernels differ, and their stable series as well; so we see what
 * this one does.
 */
volatile bool takes_at_limit = false;

struct queues {
	__u32 accept_length;
	__u32 accept_limit;
	__u32 syn_length;
};

static __always_inline struct listener_segment *segment_in_hand(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&last_segment, &zero);
}

static __always_inline __u32 both_ports(__u32 remote, __u32 local)
{
	return remote << 16 | local;
}

static __always_inline void hold(struct listener *listener, const struct tcp *tcp, enum listener_event event, bool at_limit)
{
	struct listener_segment *segment = segment_in_hand();
	__u32 now = period & 1;

	__sync_fetch_and_add(&listener->counted[now].events[event], 1);
	if (!segment)
		return;
	segment->listener = listener->record.socket_cookie;
	segment->ports = both_ports(bpf_ntohs(tcp->ports.source), bpf_ntohs(tcp->ports.destination));
	segment->event = event;
	segment->period = now;
	segment->at_limit = at_limit;
}

/* The kernel took the segment in hand, if that is what the callback tells of. */
static __always_inline void let_go(struct bpf_sock_ops *ctx, bool of_syn)
{
	struct listener_segment *segment = segment_in_hand();
	struct listener *listener;
	__u64 cookie;
	__u32 event;

	if (!segment || !segment->listener || segment->ports != both_ports(bpf_ntohl(ctx->remote_port), ctx->local_port))
		return;
	event = segment->event;
	if (event >= LISTENER_EVENTS || (of_syn && event >= ACK_DROPPED_ACCEPT_QUEUE_FULL))
		return;
	cookie = segment->listener;
	segment->listener = 0;
	if (of_syn && segment->at_limit)
		takes_at_limit = true;
	listener = bpf_map_lookup_elem(&listeners, &cookie);
	if (listener)
		__sync_fetch_and_add(&listener->counted[segment->period & 1].events[event], -1);
}

/* The connection as bpf_skc_lookup_tcp() wants it, by its length; 0 if it cannot be read. */
static __always_inline __u32 read_tuple(struct __sk_buff *skb, const struct tcp *tcp, struct bpf_sock_tuple *tuple)
{
	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		if (bpf_skb_load_bytes(skb, offsetof(struct ipv4, source), &tuple->ipv4, 8))
			return 0;
		tuple->ipv4.sport = tcp->ports.source;
		tuple->ipv4.dport = tcp->ports.destination;
		return sizeof(tuple->ipv4);
	}
	if (bpf_skb_load_bytes(skb, offsetof(struct ipv6, source), &tuple->ipv6, 32))
		return 0;
	tuple->ipv6.sport = tcp->ports.source;
	tuple->ipv6.dport = tcp->ports.destination;
	return sizeof(tuple->ipv6);
}

static __always_inline struct bpf_sock *find_socket(struct __sk_buff *skb, struct bpf_sock_tuple *tuple, __u32 length)
{
	/* The verifier wants lengths that it can see. */
	if (length == sizeof(tuple->ipv4))
		return bpf_skc_lookup_tcp(skb, tuple, sizeof(tuple->ipv4), BPF_F_CURRENT_NETNS, 0);
	return bpf_skc_lookup_tcp(skb, tuple, sizeof(tuple->ipv6), BPF_F_CURRENT_NETNS, 0);
}

/* Whether the SYN is of a request that the listener already has: the client's retransmission. */
static __always_inline bool is_duplicate(struct __sk_buff *skb, struct bpf_sock_tuple *tuple, __u32 length)
{
	struct bpf_sock *found = find_socket(skb, tuple, length);
	bool request;

	if (!found)
		return false;
	request = found->state == TCP_NEW_SYN_RECV;
	bpf_sk_release(found);
	return request;
}

static __always_inline __u64 hash_connection(const struct bpf_sock_tuple *tuple, __u32 netns)
{
	const __u32 *words = (const void *)tuple;
	__u64 hash = connection_seed ^ netns;

	for (__u32 i = 0; i < sizeof(tuple->ipv6) / sizeof(*words); i++) {
		hash = (hash ^ words[i]) * 0x9e3779b97f4a7c15ULL;
		hash ^= hash >> 32;
	}
	return hash | 1;
}

static __always_inline struct cookie_syn *cookie_syn_at(__u64 hash)
{
	__u32 at = (hash >> 1) & (COOKIE_SYNS - 1);

	return bpf_map_lookup_elem(&cookie_syns, &at);
}

static __always_inline __u32 seconds_now(void)
{
	return bpf_ktime_get_ns() / 1000000000;
}

static __always_inline void remember_cookie(const struct bpf_sock_tuple *tuple, __u32 netns, __u32 client_isn)
{
	__u64 hash = hash_connection(tuple, netns);
	struct cookie_syn *entry = cookie_syn_at(hash);

	if (!entry)
		return;
	entry->client_isn = client_isn;
	entry->seconds = seconds_now();
	entry->hash = hash;
}

/*
 * What the kernel does with a SYN that finds the queues like this (net/ipv4/tcp_input.c tcp_conn_request, in its order), if no request comes of it. The
 * last quarter of tcp_max_syn_backlog is for peers that are known to be alive, if there are no cookies.
 */
static __always_inline enum listener_event fate_of_syn(const struct queues *queues, __u32 cookies, __u32 max_syn_backlog)
{
	bool syn_queue_full = queues->syn_length > queues->accept_limit || (queues->syn_length == queues->accept_limit && !takes_at_limit);

	if (syn_queue_full && !cookies)
		return SYN_REFUSED_SYN_QUEUE_FULL;
	if (queues->accept_length > queues->accept_limit)
		return SYN_REFUSED_ACCEPT_QUEUE_FULL;
	if (cookies == 2 || syn_queue_full)
		return SYN_ANSWERED_BY_COOKIE;
	if (!cookies && (int)(max_syn_backlog - queues->syn_length) < (int)(max_syn_backlog >> 2))
		return SYN_REFUSED_SYN_QUEUE_FULL;
	return SYN_REFUSED_UNEXPLAINED;
}

static __always_inline void syn_comes(struct __sk_buff *skb, struct tcp_sock *tp, struct listener *listener, const struct tcp *tcp,
				      const struct queues *queues)
{
	struct net *net = tp->inet_conn.icsk_inet.sk.__sk_common.skc_net.net;
	struct bpf_sock_tuple tuple = {};
	__u32 length = read_tuple(skb, tcp, &tuple);
	enum listener_event fate;

	if (!length || is_duplicate(skb, &tuple, length))
		return;
	fate = fate_of_syn(queues, BPF_CORE_READ_BITFIELD(net, ipv4.sysctl_tcp_syncookies), net->ipv4.sysctl_max_syn_backlog);
	if (fate == SYN_ANSWERED_BY_COOKIE)
		remember_cookie(&tuple, net->ns.inum, bpf_ntohl(tcp->sequence));
	__sync_fetch_and_add(&listener->counted[period & 1].syns, 1);
	hold(listener, tcp, fate, queues->syn_length == queues->accept_limit);
}

/*
 * Whether the kernel, as far as it takes the segment for the handshake's third, would make a child of it now (net/ipv4/tcp_minisocks.c tcp_check_req).
 * A client that believes to be connected may send data already.
 */
static __always_inline bool completes_request(struct bpf_sock *found, const struct tcp *tcp, bool bare, __u32 defer_accept)
{
	struct tcp_request_sock *tcp_request = bpf_skc_to_tcp_request_sock(found);
	struct request_sock *request = (void *)tcp_request;

	if (!tcp_request || bpf_ntohl(tcp->acknowledgement) != tcp_request->snt_isn + 1)
		return false;
	if (bpf_ntohl(tcp->sequence) - (tcp_request->rcv_isn + 1) > request->__req_common.skc_rcv_wnd)
		return false;
	/* TCP_DEFER_ACCEPT lets bare ACKs go, whatever the queue. */
	return !bare || BPF_CORE_READ_BITFIELD(request, num_timeout) >= defer_accept;
}

/* An ACK while the accept queue is full. */
static __always_inline void ack_comes(struct __sk_buff *skb, struct tcp_sock *tp, struct listener *listener, const struct tcp *tcp, bool bare)
{
	struct net *net = tp->inet_conn.icsk_inet.sk.__sk_common.skc_net.net;
	struct bpf_sock_tuple tuple = {};
	__u32 length = read_tuple(skb, tcp, &tuple);
	struct cookie_syn *syn;
	struct bpf_sock *found;
	__u64 hash;

	if (!length)
		return;
	found = find_socket(skb, &tuple, length);
	if (found) {
		bool request = found->state == TCP_NEW_SYN_RECV;
		bool completes = request && completes_request(found, tcp, bare, tp->inet_conn.icsk_accept_queue.rskq_defer_accept);

		bpf_sk_release(found);
		if (completes)
			hold(listener, tcp, ACK_DROPPED_ACCEPT_QUEUE_FULL, false);
		if (request)
			return;
	}
	hash = hash_connection(&tuple, net->ns.inum);
	syn = cookie_syn_at(hash);
	if (syn && syn->hash == hash && syn->client_isn + 1 == bpf_ntohl(tcp->sequence) && seconds_now() - syn->seconds < COOKIE_SECONDS)
		hold(listener, tcp, ACK_DROPPED_ON_COOKIE_PATH, false);
}

static __always_inline void segment_comes(struct __sk_buff *skb, struct bpf_sock *socket)
{
	struct tcp_sock *tp = bpf_skc_to_tcp_sock(socket);
	struct listener_segment *last = segment_in_hand();
	struct listener *listener;
	struct queues queues;
	__u32 offset, flags;
	struct tcp tcp;
	struct sock *sk;

	/* Whatever it was, the kernel has done with it. */
	if (last)
		last->listener = 0;
	if (!tp)
		return;
	sk = &tp->inet_conn.icsk_inet.sk;
	if (!wanted_port(sk->__sk_common.skc_num))
		return;
	offset = transport(skb) >> 8;
	if (!offset || bpf_skb_load_bytes(skb, offset, &tcp, sizeof(tcp)))
		return;
	flags = tcp.flags & (TCP_FLAG_SYN | TCP_FLAG_ACK | TCP_FLAG_RST | TCP_FLAG_FIN);
	queues.accept_length = sk->sk_ack_backlog;
	queues.accept_limit = sk->sk_max_ack_backlog;
	queues.syn_length = tp->inet_conn.icsk_accept_queue.qlen.counter;
	/* Of other segments only the third packet can find no room; nor does an empty queue add to any peak. */
	if (flags != TCP_FLAG_SYN && (!queues.accept_length || (flags & ~TCP_FLAG_FIN) != TCP_FLAG_ACK))
		return;
	listener = listener_of(bpf_get_socket_cookie(skb), sk, bpf_skb_cgroup_id(skb));
	if (!listener)
		return;
	note_peaks(listener, queues.accept_length, queues.syn_length);
	if (flags == TCP_FLAG_SYN)
		syn_comes(skb, tp, listener, &tcp, &queues);
	else if (queues.accept_length > queues.accept_limit)
		ack_comes(skb, tp, listener, &tcp, skb->len <= offset + (tcp.data_offset >> 4) * 4);
}

#endif
