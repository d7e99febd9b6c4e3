// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Neighbours for the probe's programs on the same cgroup: some in front that change or refuse something, some behind that look what became of it. */
#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* ── Handshakes ─────────────────────────────────────────────────────────────────────────────────────────────────────── */

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

/* ── DNS ────────────────────────────────────────────────────────────────────────────────────────────────────────────── */

/* Who goes to the first port is sent to the second. */
#define PORT_ASKED_FOR 5398
#define PORT_GIVEN 5399
/* A message with this id is refused on its way in. */
#define REFUSED_ID 0xdead

#define IPV4_HEADER_BYTES 20
#define UDP_HEADER_BYTES 8
#define LOOKED_AT 48 /* both headers, and of the message its header and some of its name */

/* By whether it lies behind, and whether the packet leaves. */
__u32 packets[4];
__u32 packet_hashes[4];
/* What the program behind saw of connect() and sendmsg(). */
__u32 calls_to_given_port = 0;

static __always_inline void send_elsewhere(struct bpf_sock_addr *ctx)
{
	if (ctx->user_port == bpf_htons(PORT_ASKED_FOR))
		ctx->user_port = bpf_htons(PORT_GIVEN);
}

static __always_inline void look_where(struct bpf_sock_addr *ctx)
{
	if (ctx->user_port == bpf_htons(PORT_GIVEN))
		__sync_fetch_and_add(&calls_to_given_port, 1);
}

SEC("cgroup/connect4")
int connect_in_front(struct bpf_sock_addr *ctx)
{
	send_elsewhere(ctx);
	return 1;
}

SEC("cgroup/connect4")
int connect_behind(struct bpf_sock_addr *ctx)
{
	look_where(ctx);
	return 1;
}

SEC("cgroup/sendmsg4")
int sendmsg_in_front(struct bpf_sock_addr *ctx)
{
	send_elsewhere(ctx);
	return 1;
}

SEC("cgroup/sendmsg4")
int sendmsg_behind(struct bpf_sock_addr *ctx)
{
	look_where(ctx);
	return 1;
}

/* Counts and hashes (FNV-1a) the packets of the port, and what the kernel keeps with each. Returns the message's id; 0 of other packets. */
static __always_inline __u16 look(struct __sk_buff *skb, bool is_behind, bool egress)
{
	__u8 bytes[LOOKED_AT];
	const __be16 *ports = (const void *)(bytes + IPV4_HEADER_BYTES);
	__u32 hash = 0x811c9dc5 ^ skb->mark ^ skb->priority ^ skb->len, at = is_behind << 1 | egress;

	if (skb->protocol != bpf_htons(0x0800) || bpf_skb_load_bytes(skb, 0, bytes, sizeof(bytes)) || bytes[9] != 17)
		return 0;
	if (ports[0] != bpf_htons(PORT_GIVEN) && ports[1] != bpf_htons(PORT_GIVEN))
		return 0;
	for (int i = 0; i < LOOKED_AT; i++)
		hash = (hash ^ bytes[i]) * 0x01000193;
	__sync_fetch_and_add(&packets[at], 1);
	__sync_fetch_and_add(&packet_hashes[at], hash);
	return bytes[IPV4_HEADER_BYTES + UDP_HEADER_BYTES] << 8 | bytes[IPV4_HEADER_BYTES + UDP_HEADER_BYTES + 1];
}

SEC("cgroup_skb/egress")
int egress_in_front(struct __sk_buff *skb)
{
	look(skb, false, true);
	return 1;
}

SEC("cgroup_skb/egress")
int egress_behind(struct __sk_buff *skb)
{
	look(skb, true, true);
	return 1;
}

SEC("cgroup_skb/ingress")
int ingress_in_front(struct __sk_buff *skb)
{
	return look(skb, false, false) != REFUSED_ID;
}

SEC("cgroup_skb/ingress")
int ingress_behind(struct __sk_buff *skb)
{
	look(skb, true, false);
	return 1;
}
