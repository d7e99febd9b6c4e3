/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Which process holds a listener: a walk through the open files of all. */
#ifndef SYNSCOPE_LISTENER_OWNERS_BPF_H
#define SYNSCOPE_LISTENER_OWNERS_BPF_H

#include "../process.bpf.h"
#include "listeners.bpf.h"

/* Set by the loader before the load: whether a socket may be given a cookie here (from 5.12). Else only one that has one is found. */
const volatile bool can_make_cookies = true;

/* Raised by the loader before each walk. */
__u32 owners_walk = 0;

#define S_IFMT 0170000
#define S_IFSOCK 0140000

static __always_inline bool is_listening(struct sock *sk)
{
	__u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);

	return BPF_CORE_READ(sk, __sk_common.skc_state) == TCP_LISTEN && (family == AF_INET || family == AF_INET6);
}

/* The listening socket behind a file, or NULL: of MPTCP, which hands the application a socket in front of the one that listens, that one. */
static __always_inline struct sock *listening_socket(struct file *file)
{
	struct socket *socket = BPF_CORE_READ(file, private_data);
	struct sock *sk = BPF_CORE_READ(socket, sk);
	__u16 protocol;

	if (!sk || !is_listening(sk))
		return NULL;
	protocol = BPF_CORE_READ_BITFIELD_PROBED(sk, sk_protocol);
	if (bpf_core_type_exists(struct mptcp_sock) && protocol == IPPROTO_MPTCP) {
		struct mptcp_sock *mptcp = (void *)sk;

		sk = BPF_CORE_READ(mptcp, first);
		return sk && is_listening(sk) ? sk : NULL;
	}
	return protocol == IPPROTO_TCP ? sk : NULL;
}

/* Its cookie, made if it has none and that can be done; 0 = none. */
static __always_inline __u64 cookie_of(struct sock *listening, struct file *file)
{
	__u64 cookie = BPF_CORE_READ(listening, __sk_common.skc_cookie.counter);

	if (!cookie && can_make_cookies) {
		/* The verifier wants a socket that it has seen come out of the file. Behind MPTCP's stands another one, which has its cookie from its first SYN on. */
		struct socket *socket = bpf_sock_from_file(file);
		struct sock *sk = socket ? socket->sk : NULL;

		if (sk && sk->sk_protocol == IPPROTO_TCP)
			cookie = bpf_get_socket_cookie(sk);
	}
	return cookie;
}

/* The first that is found has it, unless that is init, which holds sockets for services that it starts when somebody comes. */
static __always_inline void set_owner(struct listener *listener, struct task_struct *task)
{
	if (listener->owners_walk == owners_walk && listener->record.pid != 1)
		return;
	listener->owners_walk = owners_walk;
	listener->record.pid = BPF_CORE_READ(task, tgid);
	listener->record.cgroup_id = BPF_CORE_READ(task, cgroups, dfl_cgrp, kn, id);
	task_name(listener->record.process_name, task);
}

SEC("iter/task_file")
int listener_owners(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct listener *listener;
	struct sock *sk;
	__u64 cookie;

	if (!task || !file || (BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) != S_IFSOCK)
		return 0;
	sk = listening_socket(file);
	if (!sk || !wanted_port(BPF_CORE_READ(sk, __sk_common.skc_num)))
		return 0;
	cookie = cookie_of(sk, file);
	if (!cookie)
		return 0;
	listener = listener_of(cookie, sk, 0);
	if (listener)
		set_owner(listener, task);
	return 0;
}

#endif
