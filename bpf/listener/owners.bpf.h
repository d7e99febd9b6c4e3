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

/* The cookie of the listening TCP socket; 0 if it is none. */
static __always_inline __u64 cookie_of_listener(struct sock *sk)
{
	if (sk->__sk_common.skc_state != TCP_LISTEN || sk->sk_protocol != IPPROTO_TCP ||
	    (sk->__sk_common.skc_family != AF_INET && sk->__sk_common.skc_family != AF_INET6))
		return 0;
	return bpf_get_socket_cookie(sk);
}

/* The same without a call that old kernels do not have; and of MPTCP, which hands the application a socket in front of the one that listens. */
static __always_inline __u64 found_cookie(struct sock **sk)
{
	__u16 protocol = BPF_CORE_READ_BITFIELD_PROBED(*sk, sk_protocol);

	if (bpf_core_type_exists(struct mptcp_sock) && protocol == IPPROTO_MPTCP)
		*sk = BPF_CORE_READ((struct mptcp_sock *)*sk, first);
	else if (protocol != IPPROTO_TCP)
		return 0;
	if (!*sk || BPF_CORE_READ(*sk, __sk_common.skc_state) != TCP_LISTEN)
		return 0;
	return BPF_CORE_READ(*sk, __sk_common.skc_cookie.counter);
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
	struct sock *sk = NULL;
	__u64 cookie = 0;

	if (!task || !file || (BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) != S_IFSOCK)
		return 0;
	if (can_make_cookies) {
		struct socket *socket = bpf_sock_from_file(file);

		sk = socket ? socket->sk : NULL;
		if (sk)
			cookie = cookie_of_listener(sk);
	}
	if (!cookie) {
		struct socket *socket = BPF_CORE_READ(file, private_data);

		sk = BPF_CORE_READ(socket, sk);
		cookie = sk ? found_cookie(&sk) : 0;
	}
	if (!cookie || !wanted_port(BPF_CORE_READ(sk, __sk_common.skc_num)))
		return 0;
	listener = listener_of(cookie, sk, 0);
	if (listener)
		set_owner(listener, task);
	return 0;
}

#endif
