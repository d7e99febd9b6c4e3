/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The client’s side: from connect() to ESTABLISHED or the failure. */
#ifndef SYNSCOPE_CLIENT_BPF_H
#define SYNSCOPE_CLIENT_BPF_H

#include "filter.bpf.h"
#include "records.bpf.h"
#include "sockets.bpf.h"
#include "table.bpf.h"

/*
 * In: TCP_CONNECT_CB. Out: the end of the attempt, which every socket in SYN_SENT comes to; what is left at detach, handshake_write_off removes.
 * Full: counted in pending_table_full.
 */
DEFINE_TABLE(attempt)

static __always_inline void client_begins(struct bpf_sock_ops *ctx)
{
	struct attempt attempt = {};
	struct endpoints ends;

	if (!filters[generation()].end_slots[ROLE_CLIENT])
		return;
	endpoints_of_sockops(ctx, &ends);
	attempt.slots = candidate_slots(ROLE_CLIENT, &ends);
	if (!attempt.slots)
		return;
	attempt.pid = current_process(attempt.process_name, &attempt.cgroup_id);
	attempt.slots = slots_by_process_name(attempt.slots, attempt.process_name);
	if (!attempt.slots)
		return;
	attempt.revision = filters[generation()].revision;
	attempt.retransmits_before = ctx->total_retrans;
	/* STATE_CB only for this socket, and only until its handshake ends. */
	attempt.set_state_callback = !(ctx->bpf_sock_ops_cb_flags & BPF_SOCK_OPS_STATE_CB_FLAG);
	attempt.start_ns = bpf_ktime_get_ns();
	attempt.cookie = bpf_get_socket_cookie(ctx);
	if (!attempt_insert(&attempt)) {
		count_table_full();
		return;
	}
	if (attempt.set_state_callback)
		bpf_sock_ops_cb_flags_set(ctx, ctx->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_STATE_CB_FLAG);
}

static __always_inline __u32 outcome_of_error(int sk_err)
{
	switch (sk_err) {
	case 0: /* close() by the application */
	case ECONNABORTED: /* ss -K, or the namespace went away */
		return OUTCOME_ABORTED;
	case ECONNREFUSED:
		return OUTCOME_REFUSED;
	case ETIMEDOUT:
		return OUTCOME_TIMED_OUT;
	case ECONNRESET:
	case EPIPE:
		return OUTCOME_RESET;
	default: /* what ICMP said, net/ipv4/icmp.c icmp_err_convert, net/ipv6/icmp.c icmpv6_err_convert */
		return OUTCOME_UNREACHABLE;
	}
}

static __always_inline void emit_client(struct bpf_sock_ops *ctx, struct tcp_sock *tp, const struct attempt *attempt, __u32 outcome)
{
	const bool established = outcome == OUTCOME_ESTABLISHED;
	/* Failures come by timers and system calls as well, which handle no segment. */
	__u64 now = established ? segment_time_ns(tp, attempt->start_ns) : bpf_ktime_get_ns();
	__u64 slots = attempt->slots;
	struct handshake_record *record;
	struct endpoints ends;
	__u32 client_isn;

	if (attempt->revision == filters[generation()].revision && !slots_by_outcome(slots, outcome, now - attempt->start_ns))
		return;
	endpoints_of_sockops(ctx, &ends);
	if (attempt->revision != filters[generation()].revision)
		slots = slots_by_process_name(candidate_slots(ROLE_CLIENT, &ends), attempt->process_name);
	slots = slots_by_outcome(slots, outcome, now - attempt->start_ns);
	/* snd_una has passed the SYN, and what Fast Open sent with it, exactly as far as bytes_acked says (RFC 4898 counts the SYN). */
	client_isn = ctx->snd_una - (established ? (__u32)ctx->bytes_acked : 0);
	slots = slots_by_isn(slots, client_isn, true);
	if (!slots)
		return;
	record = reserve_record();
	if (!record)
		return;
	set_endpoints(record, &ends);
	record->observed_ns = now;
	record->slots = slots;
	record->revision = filters[generation()].revision;
	record->latency_ns = now - attempt->start_ns;
	record->accept_wait_ns = UNKNOWN_U64;
	record->cgroup_id = attempt->cgroup_id;
	record->client_isn = client_isn;
	record->server_isn = established ? ctx->rcv_nxt - 1 : 0;
	record->srtt_us = established && ctx->srtt_us ? ctx->srtt_us >> 3 : UNKNOWN_U32; /* kept in eighths */
	record->netns = tp->inet_conn.icsk_inet.sk.__sk_common.skc_net.net->ns.inum;
	record->pid = attempt->pid;
	record->syn_retransmits = ctx->total_retrans - attempt->retransmits_before;
	record->syn_ack_retransmits = UNKNOWN_U16;
	record->flags = attempt->flags | socket_flags(tp) | FLAG_CLIENT_ISN_KNOWN | (established ? FLAG_SERVER_ISN_KNOWN : 0);
	record->role = ROLE_CLIENT;
	record->outcome = outcome;
	__builtin_memcpy(record->process_name, attempt->process_name, PROCESS_NAME_LENGTH);
	submit_record(record);
}

/* Returns false if this socket's attempt is not ours. */
static __always_inline bool client_ends(struct bpf_sock_ops *ctx, bool established)
{
	__u64 cookie = bpf_get_socket_cookie(ctx);
	struct bpf_sock *sk = ctx->sk;
	struct attempt *attempt;
	struct tcp_sock *tp;

	attempt = attempt_find(cookie);
	if (!attempt)
		return false;
	if (attempt->set_state_callback)
		bpf_sock_ops_cb_flags_set(ctx, ctx->bpf_sock_ops_cb_flags & ~BPF_SOCK_OPS_STATE_CB_FLAG);
	tp = sk ? bpf_skc_to_tcp_sock(sk) : NULL;
	if (tp)
		emit_client(ctx, tp, attempt, established ? OUTCOME_ESTABLISHED : outcome_of_error(tp->inet_conn.icsk_inet.sk.sk_err));
	attempt_remove(cookie);
	return true;
}

#endif
