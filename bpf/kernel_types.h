/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The kernel fields that our programs read, and no others. Each record is matched by name against the running kernel's BTF when the
 * object is loaded (CO-RE), so neither order, offsets nor missing neighbours matter; a field that some kernels lack is asked for
 * with bpf_core_field_exists() where it is used.
 */
#ifndef SYNSCOPE_KERNEL_TYPES_H
#define SYNSCOPE_KERNEL_TYPES_H

#include <linux/bpf.h>
#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct ns_common {
	unsigned int inum;
};

struct netns_core {
	int sysctl_somaxconn;
};

struct netns_ipv4 {
	int sysctl_max_syn_backlog;
	/* int before 5.13: read with BPF_CORE_READ_BITFIELD, which asks for the size. */
	__u8 sysctl_tcp_syncookies;
	__u8 sysctl_tcp_abort_on_overflow;
};

struct net {
	struct ns_common ns;
	struct netns_core core;
	struct netns_ipv4 ipv4;
};

typedef struct {
	struct net *net;
} possible_net_t;

typedef struct {
	int counter;
} atomic_t;

typedef struct {
	__s64 counter;
} atomic64_t;

struct in6_addr {
	__u8 in6_u[16];
};

struct sock_common {
	__be32 skc_rcv_saddr;
	__be16 skc_dport;
	__u16 skc_num; /* local port, host order */
	unsigned short skc_family;
	unsigned char skc_state;
	struct in6_addr skc_v6_rcv_saddr;
	possible_net_t skc_net;
	atomic64_t skc_cookie; /* 0 = never asked for */
	__u32 skc_rcv_wnd;     /* of a request */
};

struct sock {
	struct sock_common __sk_common;
	int sk_err;
	int sk_rcvbuf;
	/* Of a listener: connections that wait for accept(), and how many may. */
	__u32 sk_ack_backlog;
	__u32 sk_max_ack_backlog;
	atomic_t sk_drops;
	struct socket *sk_socket;
	__u16 sk_protocol;
};

struct inet_sock {
	struct sock sk;
};

struct request_sock_queue {
	__u8 rskq_defer_accept;
	atomic_t qlen; /* requests in SYN_RECV */
};

struct inet_connection_sock {
	struct inet_sock icsk_inet;
	struct request_sock_queue icsk_accept_queue;
};

struct request_sock {
	struct sock_common __req_common;
	__u8 num_timeout : 7;
};

struct tcp_request_sock {
	__u32 rcv_isn;
	__u32 snt_isn;
};

struct tcp_sock {
	struct inet_connection_sock inet_conn;
	struct request_sock *fastopen_rsk;
	__u64 tcp_clock_cache; /* ns, CLOCK_MONOTONIC */
};

struct mptcp_sock {
	struct sock *first; /* subflow */
};

/* Its own flavour: a bit-field that kernels before 5.6 and builds without MPTCP lack. */
struct tcp_sock___mptcp {
	__u8 is_mptcp : 1;
};

struct socket {
	struct sock *sk;
};

struct inode {
	unsigned short i_mode;
};

struct file {
	struct inode *f_inode;
	void *private_data;
};

struct fdtable {
	struct file **fd;
};

struct files_struct {
	struct fdtable *fdt;
};

struct kernfs_node {
	__u64 id;
};

struct cgroup {
	struct kernfs_node *kn;
};

struct css_set {
	struct cgroup *dfl_cgrp;
};

struct nsproxy {
	struct net *net_ns;
};

struct task_struct {
	unsigned int flags;
	int pid;
	int tgid;
	struct task_struct *group_leader;
	struct files_struct *files;
	struct css_set *cgroups;
	struct nsproxy *nsproxy;
	char comm[16];
};

struct net_device {
	possible_net_t nd_net;
};

struct sk_buff {
	struct net_device *dev;
	__be16 protocol;
	__u16 transport_header;
	__u16 network_header;
	unsigned char *head;
};

struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
	__u64 seq_num;
};

struct bpf_map;

struct bpf_iter__bpf_map_elem {
	struct bpf_iter_meta *meta;
	struct bpf_map *map;
	void *key;
	void *value;
};

struct bpf_iter__task_file {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	__u32 fd;
	struct file *file;
};

#pragma clang attribute pop

/* The argument block of the syscalls:sys_exit_* tracepoints: ABI (events/syscalls/sys_exit_accept/format), hence not relocated. */
struct syscall_exit_args {
	__u64 common;
	long syscall_nr;
	long ret;
};


/* include/net/tcp_states.h */
enum {
	TCP_ESTABLISHED = 1,
	TCP_SYN_SENT = 2,
	TCP_SYN_RECV = 3,
	TCP_CLOSE = 7,
	TCP_LISTEN = 10,
	TCP_NEW_SYN_RECV = 12, /* a request socket */
};

/* include/linux/socket.h */
#define AF_INET 2
#define AF_INET6 10

/* include/uapi/linux/if_ether.h */
#define ETH_P_IP 0x0800
#define ETH_P_IPV6 0x86dd

#define IPPROTO_TCP 6
#define IPPROTO_UDP 17
#define IPPROTO_MPTCP 262

/* include/uapi/asm-generic/errno*.h */
#define ENOMEM 12
#define EPIPE 32
#define ECONNABORTED 103
#define ECONNRESET 104
#define ETIMEDOUT 110
#define ECONNREFUSED 111

#endif
