/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What no callback of sockops shows of the server’s side: SYN-ACK retransmissions, RSTs to requests, accept(), and time passing. */
#ifndef SYNSCOPE_SERVER_ENDS_BPF_H
#define SYNSCOPE_SERVER_ENDS_BPF_H

#include "server.bpf.h"

/* Set by the loader. */
volatile __u64 sweep_now_ns = 0;       /* iter/bpf_map_elem: the time to compare with */
volatile __u64 accept_deadline_ns = 0; /* a record waits this long for accept() */
volatile __u32 sweep_all = 0;          /* at detach: report what is established, count the rest as unfinished */

SEC("tp_btf/tcp_retransmit_synack")
int BPF_PROG(handshake_retransmit_synack, const struct sock *listener, const struct request_sock *request)
{
	const struct tcp_request_sock *tcp_request = (const void *)request;
	__u64 cookie = request->__req_common.skc_cookie.counter;
	struct pending *pending = pending_find(cookie);

	if (!pending || pending->established_ns)
		return 0;
	pending->syn_ack_retransmits++;
	pending->last_activity_ns = bpf_ktime_get_ns();
	pending->netns = request->__req_common.skc_net.net->ns.inum;
	pending->client_isn = BPF_CORE_READ(tcp_request, rcv_isn);
	pending->server_isn = BPF_CORE_READ(tcp_request, snt_isn);
	pending->flags |= FLAG_CLIENT_ISN_KNOWN | FLAG_SERVER_ISN_KNOWN;
	return 0;
}

/* The fields of an IP and a TCP header that we need (RFC 791, RFC 8200, RFC 9293). */
struct ipv4_header {
	__u8 version_ihl;
	__u8 tos;
	__u8 total_length[2];
	__u8 fragment[4];
	__u8 ttl;
	__u8 protocol;
	__u8 checksum[2];
	__u32 source;
	__u32 destination;
};

struct ipv6_header {
	__u8 version_flow[4];
	__u8 payload_length[2];
	__u8 next_header;
	__u8 hop_limit;
	__u8 source[16];
	__u8 destination[16];
};

struct tcp_header {
	__be16 source;
	__be16 destination;
	__u8 sequence[4];
	__u8 acknowledgement[4];
	__u8 data_offset;
	__u8 flags;
};
#define TCP_FLAG_RST 0x04

/*
 * An RST to a request socket removes it without any callback, but the segment itself is then dropped, and that can be seen. Every other
 * drop on the host leaves after two loads.
 */
SEC("tp_btf/kfree_skb")
int BPF_PROG(handshake_kfree_skb, struct sk_buff *skb)
{
	struct acceptor nobody = {.wait_ns = UNKNOWN_U64};
	unsigned char *head = skb->head;
	struct endpoints ends = {};
	struct request_entry *entry;
	struct net_device *dev;
	struct pending *pending;
	struct tcp_header tcp;
	__u64 hash, cookie, now;
	__u32 at;

	if (skb->protocol != bpf_htons(ETH_P_IP) && skb->protocol != bpf_htons(ETH_P_IPV6))
		return 0;
	/* Unset transport header: not yet, or never, in TCP's hands (include/linux/skbuff.h skb_transport_header_was_set). */
	if (skb->transport_header == (__u16)~0U || skb->transport_header <= skb->network_header)
		return 0;
	if (bpf_probe_read_kernel(&tcp, sizeof(tcp), head + skb->transport_header) || !(tcp.flags & TCP_FLAG_RST))
		return 0;
	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		struct ipv4_header ip;

		if (bpf_probe_read_kernel(&ip, sizeof(ip), head + skb->network_header) || ip.protocol != IPPROTO_TCP)
			return 0;
		set_ipv4(ends.local_address, ip.destination);
		set_ipv4(ends.remote_address, ip.source);
	} else {
		struct ipv6_header ip;

		if (bpf_probe_read_kernel(&ip, sizeof(ip), head + skb->network_header) || ip.next_header != IPPROTO_TCP)
			return 0;
		__builtin_memcpy(ends.local_address, ip.destination, 16);
		__builtin_memcpy(ends.remote_address, ip.source, 16);
	}
	ends.local_port = bpf_ntohs(tcp.destination);
	ends.remote_port = bpf_ntohs(tcp.source);
	hash = hash_endpoints(&ends);
	at = hash & (REQUEST_INDEX_SIZE - 1);
	entry = bpf_map_lookup_elem(&request_index, &at);
	if (!entry || entry->hash != hash)
		return 0;
	cookie = entry->cookie;
	pending = pending_find(cookie);
	if (!pending || pending->established_ns || pending->flags & FLAG_FAST_OPEN || !same_endpoints(&pending->ends, &ends))
		return 0;
	dev = skb->dev;
	if (dev)
		pending->netns = dev->nd_net.net->ns.inum;
	now = bpf_ktime_get_ns();
	emit_server(pending, OUTCOME_RESET, now, now - pending->syn_ns, &nobody, 0);
	pending_remove(cookie);
	return 0;
}

/* RST on a socket: on one that nobody has accepted yet, the handshake's record waits for accept() in vain. */
SEC("tp_btf/tcp_receive_reset")
int BPF_PROG(handshake_receive_reset, struct sock *sk)
{
	__u64 cookie = sk->__sk_common.skc_cookie.counter;
	struct pending *pending;

	if (!cookie || sk->sk_socket)
		return 0;
	pending = pending_find(cookie);
	if (!pending || !pending->established_ns)
		return 0;
	emit_unaccepted(pending, 0);
	pending_remove(cookie);
	return 0;
}

/* MPTCP hands the application a socket of its own, in front of the first subflow's, which the handshake was. */
static __always_inline __u64 accepted_cookie(struct sock *sk)
{
	__u64 cookie = BPF_CORE_READ(sk, __sk_common.skc_cookie.counter);
	struct mptcp_sock *mptcp = (void *)sk;

	/* Nobody asked the outer socket for one. */
	if (!cookie && bpf_core_type_exists(struct mptcp_sock) && BPF_CORE_READ(sk, sk_protocol) == IPPROTO_MPTCP)
		return BPF_CORE_READ(mptcp, first, __sk_common.skc_cookie.counter);
	return cookie;
}

/* accept() returned `descriptor`: fd → file → socket → sock, all in the caller's own tables. A socket of any other family has
 * another cookie, or none, so nothing more needs to be asked of it. */
static __always_inline int accepted(long descriptor)
{
	struct acceptor acceptor = {};
	struct task_struct *task;
	struct file **files, *file;
	struct pending *pending;
	struct socket *socket;
	__u64 cookie, now;

	if (descriptor < 0)
		return 0;
	if (has_task_pointer) {
		task = bpf_get_current_task_btf();
		files = task->files->fdt->fd;
	} else {
		task = (struct task_struct *)bpf_get_current_task();
		files = BPF_CORE_READ(task, files, fdt, fd);
	}
	if (bpf_probe_read_kernel(&file, sizeof(file), files + descriptor) || !file)
		return 0;
	socket = BPF_CORE_READ(file, private_data);
	cookie = accepted_cookie(BPF_CORE_READ(socket, sk));
	if (!cookie)
		return 0;
	pending = pending_find(cookie);
	if (!pending)
		return 0;
	now = bpf_ktime_get_ns();
	acceptor.pid = current_process(acceptor.name, &acceptor.cgroup_id);
	if (!pending->established_ns) {
		/* Fast Open: the application has it before it is ESTABLISHED. */
		pending->accepted_pid = acceptor.pid;
		pending->accepted_cgroup_id = acceptor.cgroup_id;
		__builtin_memcpy(pending->accepted_name, acceptor.name, PROCESS_NAME_LENGTH);
		return 0;
	}
	acceptor.wait_ns = now - pending->established_ns;
	emit_server(pending, OUTCOME_ESTABLISHED, pending->established_ns, server_latency(pending), &acceptor, 0);
	pending_remove(cookie);
	return 0;
}

SEC("tracepoint/syscalls/sys_exit_accept")
int handshake_exit_accept(struct syscall_exit_args *ctx)
{
	return accepted(ctx->ret);
}

SEC("tracepoint/syscalls/sys_exit_accept4")
int handshake_exit_accept4(struct syscall_exit_args *ctx)
{
	return accepted(ctx->ret);
}

/* TCP_TIMEOUT_INIT of include/net/tcp.h, and a grace for a late timer. */
#define SYN_ACK_TIMEOUT_NS 1000000000ULL
#define SYN_ACK_GRACE_NS 1500000000ULL
/* TCP_RTO_MAX: 120 s. Doubling from 1 s passes it with the seventh. */
#define SYN_ACK_DOUBLINGS_MAX 7

/* Run by the loader once a second, over every entry of both maps. */
SEC("iter/bpf_map_elem")
int handshake_sweep(struct bpf_iter__bpf_map_elem *ctx)
{
	struct acceptor nobody = {.wait_ns = UNKNOWN_U64};
	const struct pending *entry = ctx->value;
	struct pending pending;
	__u64 now = sweep_now_ns;

	if (!entry || !entry->cookie)
		return 0;
	pending = *entry;
	if (pending.established_ns) {
		if (!sweep_all && now < pending.established_ns + accept_deadline_ns)
			return 0;
		emit_unaccepted(&pending, FLAG_NOT_YET_ACCEPTED);
	} else if (sweep_all) {
		struct counters *c = counters();

		if (c)
			c->unfinished++;
	} else {
		__u32 doublings = pending.syn_ack_retransmits;

		if (doublings > SYN_ACK_DOUBLINGS_MAX)
			doublings = SYN_ACK_DOUBLINGS_MAX;
		/* Still waiting, or due to be retransmitted. Past that the kernel no longer has it. */
		if (now < pending.last_activity_ns + (SYN_ACK_TIMEOUT_NS << doublings) + SYN_ACK_GRACE_NS)
			return 0;
		/* When exactly it went cannot be seen: no latency. */
		emit_server(&pending, OUTCOME_TIMED_OUT, pending.last_activity_ns, UNKNOWN_U64, &nobody, 0);
	}
	pending_remove(pending.cookie);
	return 0;
}

#endif
