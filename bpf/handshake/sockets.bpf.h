/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Who called, and between which ends. */
#ifndef SYNSCOPE_SOCKETS_BPF_H
#define SYNSCOPE_SOCKETS_BPF_H

#include "../handshake.h"
#include "../kernel_types.h"

/* Set by the loader before the load: whether sockops programs may ask for the current task as a typed pointer, whose fields are plain
 * loads. Else each field costs a call of bpf_probe_read_kernel(). */
const volatile bool has_task_pointer = true;

/* The bytes before the first NUL; the others 0. A zero byte is found by Mycroft's test: subtract 1 from each, see who borrowed. */
static __always_inline __u64 before_nul(__u64 word)
{
	__u64 nul = (word - 0x0101010101010101ULL) & ~word & 0x8080808080808080ULL;

	return nul ? word & (((nul & -nul) >> 7) - 1) : word;
}

/* Older kernels (seen on 5.10) leave remains of earlier, longer names behind the NUL. */
static __always_inline void copy_name(char name[PROCESS_NAME_LENGTH], const char comm[PROCESS_NAME_LENGTH])
{
	__u64 words[2];

	__builtin_memcpy(words, comm, PROCESS_NAME_LENGTH);
	if (before_nul(words[0]) != words[0] || !(words[0] >> 56))
		words[1] = 0;
	words[0] = before_nul(words[0]);
	words[1] = before_nul(words[1]);
	__builtin_memcpy(name, words, PROCESS_NAME_LENGTH);
}

/* The name of the process, not of its thread: what ps and ss show. */
static __always_inline __u32 current_process(char name[PROCESS_NAME_LENGTH], __u64 *cgroup_id)
{
	if (has_task_pointer) {
		struct task_struct *task = bpf_get_current_task_btf();

		copy_name(name, task->group_leader->comm);
		*cgroup_id = task->cgroups->dfl_cgrp->kn->id;
		return task->tgid;
	} else {
		struct task_struct *task = (struct task_struct *)bpf_get_current_task();
		struct task_struct *leader = BPF_CORE_READ(task, group_leader);

		char comm[PROCESS_NAME_LENGTH];

		bpf_probe_read_kernel(comm, PROCESS_NAME_LENGTH, &leader->comm);
		copy_name(name, comm);
		*cgroup_id = BPF_CORE_READ(task, cgroups, dfl_cgrp, kn, id);
		return BPF_CORE_READ(task, tgid);
	}
}

/*
 * When the segment that TCP handles came: TCP looks at the clock once for each, which spares us a second look. A socket that has handled none since
 * `not_before` (a child made by Fast Open) has no such time.
 */
static __always_inline __u64 segment_time_ns(struct tcp_sock *tp, __u64 not_before)
{
	__u64 time = tp->tcp_clock_cache;

	return time > not_before ? time : bpf_ktime_get_ns();
}

static __always_inline void set_ipv4(__u8 address[16], __u32 ipv4)
{
	__u32 *words = (__u32 *)address;

	words[0] = 0;
	words[1] = 0;
	words[2] = bpf_htonl(0xffff);
	words[3] = ipv4;
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
