// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * TCP handshakes, one finished record per handshake and side.
 *
 * Client: sockops TCP_CONNECT_CB (SYN_SENT, in the caller's context) → ACTIVE_ESTABLISHED_CB, or STATE_CB on SYN_SENT → CLOSE.
 * Server: sockops TIMEOUT_INIT on the request socket (SYN_RECV) → PASSIVE_ESTABLISHED_CB on its child → sys_exit_accept.
 *
 * Only stable hooks: sockops, BTF tracepoints, syscall tracepoints and iterators; no kprobe or fentry, so that one object serves every
 * kernel from 5.10. All programs only observe: they return 1 and never write bpf_sock_ops.reply, which belongs to whoever tunes TCP.
 */
#include "kernel_types.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "handshake/client.bpf.h"
#include "handshake/server.bpf.h"
#include "handshake/server_ends.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

static __always_inline void state_changes(struct bpf_sock_ops *ctx)
{
	int from = ctx->args[0], to = ctx->args[1];

	if (from == TCP_SYN_RECV) {
		/* A simultaneous open that fails here is a client's attempt as well. */
		if (to != TCP_CLOSE || !client_ends(ctx, false))
			fast_open_changes(ctx, to);
	} else if (from == TCP_SYN_SENT && to == TCP_CLOSE) {
		client_ends(ctx, false);
	} else if (from == TCP_SYN_SENT && to == TCP_SYN_RECV) {
		struct attempt *attempt = attempt_find(bpf_get_socket_cookie(ctx));

		if (attempt)
			attempt->flags |= FLAG_SIMULTANEOUS_OPEN;
	}
}

SEC("sockops")
int handshake_sockops(struct bpf_sock_ops *ctx)
{
	switch (ctx->op) {
	case BPF_SOCK_OPS_TCP_CONNECT_CB:
		client_begins(ctx);
		break;
	case BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB:
		client_ends(ctx, true);
		break;
	case BPF_SOCK_OPS_TIMEOUT_INIT:
		if (!ctx->is_fullsock)
			request_begins(ctx);
		break;
	case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB:
		/* Simultaneous open (RFC 9293 §3.5): a socket that called connect() ends here; only such a one keeps STATE_CB until now. */
		if (!(ctx->bpf_sock_ops_cb_flags & BPF_SOCK_OPS_STATE_CB_FLAG) || !client_ends(ctx, true))
			server_established(ctx);
		break;
	case BPF_SOCK_OPS_STATE_CB:
		state_changes(ctx);
		break;
	}
	return 1;
}

/* Run by the loader after the detachment, over every attempt: nobody will see its end. */
SEC("iter/bpf_map_elem")
int handshake_write_off(struct bpf_iter__bpf_map_elem *ctx)
{
	const struct attempt *attempt = ctx->value;
	struct counters *c = counters();
	__u64 cookie;

	if (!attempt || !attempt->cookie)
		return 0;
	if (c)
		c->unfinished++;
	cookie = attempt->cookie;
	attempt_remove(cookie);
	return 0;
}
