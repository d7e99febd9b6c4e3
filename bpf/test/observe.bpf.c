// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Two neighbours for the handshake programs on the same cgroup: one in front that answers a callback, one behind that looks what became of it. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* BPF_SOCK_OPS_RWND_INIT, packets: far from the default, so that its effect on the socket can be told. */
#define INITIAL_WINDOW_PACKETS 5
#define OPERATIONS 16

__u32 replies[OPERATIONS]; /* what the program behind saw, by operation */
__u32 calls[OPERATIONS];

SEC("sockops")
int in_front(struct bpf_sock_ops *ctx)
{
	if (ctx->op == BPF_SOCK_OPS_RWND_INIT)
		ctx->reply = INITIAL_WINDOW_PACKETS;
	return 1;
}

SEC("sockops")
int behind(struct bpf_sock_ops *ctx)
{
	__u32 op = ctx->op & (OPERATIONS - 1);

	/* Operations with arguments keep them where the reply is. */
	if (op == BPF_SOCK_OPS_STATE_CB)
		return 1;
	replies[op] |= ctx->reply;
	calls[op]++;
	return 1;
}
