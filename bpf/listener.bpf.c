// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Listening TCP sockets: how full their queues are, and which SYNs and third packets they refuse, and why.
 *
 * A segment is seen at its listener (cgroup_skb ingress), with the queues as the kernel finds them an instant later; that the kernel took it, sockops
 * tell. Only stable hooks: cgroup hooks and iterators. All programs only observe: they return 1, which lets everything pass.
 */
#include "kernel_types.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "listener/owners.bpf.h"
#include "listener/reports.bpf.h"
#include "listener/segments.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Runs for every packet that a socket of the host receives: the others leave after two loads. */
SEC("cgroup_skb/ingress")
int listener_ingress(struct __sk_buff *skb)
{
	struct bpf_sock *socket = skb->sk;

	if (socket && socket->state == TCP_LISTEN)
		segment_comes(skb, socket);
	return 1;
}

SEC("sockops")
int listener_sockops(struct bpf_sock_ops *ctx)
{
	/* A request was made of a SYN; a child of a third packet, or by Fast Open of a SYN. */
	if (ctx->op == BPF_SOCK_OPS_TIMEOUT_INIT && !ctx->is_fullsock)
		let_go(ctx, true);
	else if (ctx->op == BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB)
		let_go(ctx, false);
	return 1;
}
