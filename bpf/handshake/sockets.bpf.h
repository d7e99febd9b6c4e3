/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Between which ends, and when. */
#ifndef SYNSCOPE_SOCKETS_BPF_H
#define SYNSCOPE_SOCKETS_BPF_H

#include "../address.bpf.h"
#include "../handshake.h"
#include "../kernel_types.h"
#include "../process.bpf.h"

/*
 * When the segment that TCP handles came: TCP looks at the clock once for each, which spares us a second look. A socket that has handled none since
 * `not_before` (a child made by Fast Open) has no such time.
 */
static __always_inline __u64 segment_time_ns(struct tcp_sock *tp, __u64 not_before)
{
	__u64 time = tp->tcp_clock_cache;

	return time > not_before ? time : bpf_ktime_get_ns();
}

/* The verifier lets the context be read by single words only; volatile keeps the compiler from joining two of them. */
#define WORD(field) (*(const volatile __u32 *)&(field))

static __always_inline void endpoints_of_sockops(struct bpf_sock_ops *ctx, struct endpoints *ends)
{
	__u32 *local = (__u32 *)ends->local_address;
	__u32 *remote = (__u32 *)ends->remote_address;

	if (ctx->family == AF_INET) {
		set_ipv4(ends->local_address, WORD(ctx->local_ip4));
		set_ipv4(ends->remote_address, WORD(ctx->remote_ip4));
		/* Nor may the branches share a load at a computed offset. */
		__asm__ volatile("" ::: "memory");
	} else {
		local[0] = WORD(ctx->local_ip6[0]);
		local[1] = WORD(ctx->local_ip6[1]);
		local[2] = WORD(ctx->local_ip6[2]);
		local[3] = WORD(ctx->local_ip6[3]);
		remote[0] = WORD(ctx->remote_ip6[0]);
		remote[1] = WORD(ctx->remote_ip6[1]);
		remote[2] = WORD(ctx->remote_ip6[2]);
		remote[3] = WORD(ctx->remote_ip6[3]);
	}
	ends->local_port = ctx->local_port;
	ends->remote_port = bpf_ntohl(ctx->remote_port); /* the port is in the upper half, in network order */
	ends->reserved = 0;
}

/* A multiply and fold per word; the multipliers are the fractional parts of the golden ratio and of sqrt(3). */
static __always_inline __u64 hash_endpoints(const struct endpoints *ends)
{
	const __u64 *words = (const void *)ends;
	__u64 hash = 0;

	for (__u32 i = 0; i < sizeof(*ends) / sizeof(*words); i++) {
		hash = (hash ^ words[i]) * 0x9e3779b97f4a7c15ULL;
		hash ^= hash >> 32;
	}
	hash *= 0xbb67ae8584caa73bULL;
	hash ^= hash >> 29;
	return hash;
}

static __always_inline bool same_endpoints(const struct endpoints *a, const struct endpoints *b)
{
	const __u64 *left = (const void *)a, *right = (const void *)b;
	__u64 difference = 0;

	for (__u32 i = 0; i < sizeof(*a) / sizeof(*left); i++)
		difference |= left[i] ^ right[i];
	return !difference;
}

static __always_inline __u16 socket_flags(struct tcp_sock *tp)
{
	struct tcp_sock___mptcp *mptcp = (void *)tp;

	return bpf_core_field_exists(mptcp->is_mptcp) && BPF_CORE_READ_BITFIELD(mptcp, is_mptcp) ? FLAG_MPTCP : 0;
}

#endif
