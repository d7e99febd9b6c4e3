/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The server’s side, as far as sockops show it: from the accepted SYN to ESTABLISHED. */
#ifndef SYNSCOPE_SERVER_BPF_H
#define SYNSCOPE_SERVER_BPF_H

#include "filter.bpf.h"
#include "records.bpf.h"
#include "sockets.bpf.h"
#include "table.bpf.h"

/*
 * A request socket and its child have the same cookie.
 * In: a SYN accepted into a request socket (TIMEOUT_INIT), or a child without one (cookie, Fast Open) at PASSIVE_ESTABLISHED_CB.
 * Out: accept(), RST to the request or to the child; else the sweep: a request whose SYN-ACK retransmissions have stopped, a child
 * that waited longer than accept_deadline_ns. Every entry thus mirrors a socket of the kernel's own bounded queues and cannot outlive
 * it by more than one SYN-ACK timeout. Full: counted in pending_table_full; nothing is evicted.
 */
DEFINE_TABLE(pending)

/*
 * Where the request of a 4-tuple is, for RSTs. Direct-mapped: a newer request overwrites one with the same index, whose RST then goes
 * unseen and which ends as timed_out. Entries are never removed: what they lead to is compared before it is believed.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, REQUEST_INDEX_SIZE);
	__type(key, __u32);
	__type(value, struct request_entry);
} request_index SEC(".maps");

struct acceptor {
	__u64 cgroup_id;
	__u64 wait_ns;
	__u32 pid; /* 0 = nobody accepted it (yet) */
	char name[PROCESS_NAME_LENGTH];
};

static __always_inline void emit_server(const struct pending *pending, __u32 outcome, __u64 observed_ns, __u64 latency_ns,
					const struct acceptor *acceptor, __u16 flags)
{
	struct handshake_record *record;
	__u64 slots = pending->slots;

	if (pending->revision != filters[generation()].revision)
		slots = candidate_slots(ROLE_SERVER, &pending->ends);
	slots = slots_by_outcome(slots, outcome, latency_ns);
	slots = slots_by_process_name(slots, acceptor->name);
	slots = slots_by_isn(slots, pending->client_isn, pending->flags & FLAG_CLIENT_ISN_KNOWN);
	if (!slots)
		return;
	record = reserve_record();
	if (!record)
		return;
	set_endpoints(record, &pending->ends);
	record->observed_ns = observed_ns;
	record->slots = slots;
	record->revision = filters[generation()].revision;
	record->latency_ns = latency_ns;
	record->accept_wait_ns = acceptor->wait_ns;
	record->cgroup_id = acceptor->cgroup_id;
	record->client_isn = pending->client_isn;
	record->server_isn = pending->server_isn;
	record->srtt_us = pending->srtt_us;
	record->netns = pending->netns;
	record->pid = acceptor->pid;
	record->syn_retransmits = UNKNOWN_U16;
	record->syn_ack_retransmits = pending->syn_ack_retransmits;
	record->flags = pending->flags | flags;
	record->role = ROLE_SERVER;
	record->outcome = outcome;
	__builtin_memcpy(record->process_name, acceptor->name, PROCESS_NAME_LENGTH);
	submit_record(record);
}

static __always_inline __u64 server_latency(const struct pending *pending)
{
	return pending->syn_ns ? pending->established_ns - pending->syn_ns : UNKNOWN_U64;
}

static __always_inline void emit_unaccepted(const struct pending *pending, __u16 flags)
{
	struct acceptor nobody = {.wait_ns = UNKNOWN_U64};

	emit_server(pending, OUTCOME_ESTABLISHED, pending->established_ns, server_latency(pending), &nobody, flags);
}

/* TIMEOUT_INIT: the SYN got a request socket. */
static __always_inline void request_begins(struct bpf_sock_ops *ctx)
{
	struct request_entry *entry;
	struct pending pending = {};
	__u64 hash;
	__u32 at;

	endpoints_of_sockops(ctx, &pending.ends);
	pending.slots = candidate_slots(ROLE_SERVER, &pending.ends);
	if (!pending.slots)
		return;
	pending.cookie = bpf_get_socket_cookie(ctx);
	pending.syn_ns = bpf_ktime_get_ns();
	pending.last_activity_ns = pending.syn_ns;
	pending.revision = filters[generation()].revision;
	pending.srtt_us = UNKNOWN_U32;
	if (!pending_insert(&pending)) {
		count_table_full();
		return;
	}
	hash = hash_endpoints(&pending.ends);
	at = hash & (REQUEST_INDEX_SIZE - 1);
	entry = bpf_map_lookup_elem(&request_index, &at);
	if (entry) {
		entry->hash = hash;
		entry->cookie = pending.cookie;
	}
}

/*
 * Whether a child whose request nobody saw came out of a SYN cookie. No callback tells: without a request socket sockops are not run for the
 * SYN. But the kernel then has no time of its SYN-ACK either, and takes the round trip from the timestamp option, in whole
 * milliseconds, or has none (net/ipv4/tcp_input.c tcp_synack_rtt_meas, tcp_ack_update_rtt); a request that was not retransmitted is
 * measured in microseconds. ctx->srtt_us is in eighths of one.
 */
static __always_inline bool made_by_cookie(struct bpf_sock_ops *ctx)
{
	return !ctx->total_retrans && !(ctx->srtt_us % 8000);
}

/* Returns whether the record may still be wanted. */
static __always_inline bool note_established(struct bpf_sock_ops *ctx, struct tcp_sock *tp, struct pending *pending)
{
	__u64 now = segment_time_ns(tp, pending->syn_ns);

	pending->client_isn = ctx->rcv_nxt - 1;
	pending->server_isn = ctx->snd_una - 1;
	pending->srtt_us = ctx->srtt_us ? ctx->srtt_us >> 3 : UNKNOWN_U32;
	pending->syn_ack_retransmits = ctx->total_retrans;
	pending->netns = tp->inet_conn.icsk_inet.sk.__sk_common.skc_net.net->ns.inum;
	pending->flags |= FLAG_CLIENT_ISN_KNOWN | FLAG_SERVER_ISN_KNOWN | socket_flags(tp);
	if (tp->fastopen_rsk) {
		/* The child is made by the SYN itself and is ESTABLISHED only with the third packet. */
		pending->flags |= FLAG_FAST_OPEN;
		pending->syn_ns = now;
		pending->last_activity_ns = now;
		return true;
	}
	pending->established_ns = now;
	return pending->revision != filters[generation()].revision ||
	       slots_by_outcome(pending->slots, OUTCOME_ESTABLISHED, server_latency(pending));
}

static __always_inline void server_established(struct bpf_sock_ops *ctx)
{
	__u64 cookie = bpf_get_socket_cookie(ctx);
	struct pending *pending, fresh = {};
	struct bpf_sock *sk = ctx->sk;
	struct tcp_sock *tp = sk ? bpf_skc_to_tcp_sock(sk) : NULL;

	if (!tp)
		return;
	pending = pending_find(cookie);
	if (pending) {
		if (!note_established(ctx, tp, pending)) {
			pending_remove(cookie);
			return;
		}
	} else {
		/* No request socket was seen: a cookie, Fast Open, or a SYN from before we were attached. */
		endpoints_of_sockops(ctx, &fresh.ends);
		fresh.slots = candidate_slots(ROLE_SERVER, &fresh.ends);
		if (!fresh.slots)
			return;
		fresh.cookie = cookie;
		fresh.revision = filters[generation()].revision;
		if (!note_established(ctx, tp, &fresh))
			return;
		if (!tp->fastopen_rsk && made_by_cookie(ctx)) {
			fresh.flags |= FLAG_SYN_COOKIE;
			fresh.srtt_us = UNKNOWN_U32;
		}
		if (!pending_insert(&fresh)) {
			count_table_full();
			return;
		}
	}
	/* To see its third packet. */
	if (tp->fastopen_rsk)
		bpf_sock_ops_cb_flags_set(ctx, ctx->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_STATE_CB_FLAG);
}

/* STATE_CB of a child made by Fast Open. The flag stays set until the socket's end: whether somebody else wants it too cannot be known. */
static __always_inline void fast_open_changes(struct bpf_sock_ops *ctx, int to)
{
	struct acceptor acceptor = {.wait_ns = UNKNOWN_U64};
	__u64 now, cookie = bpf_get_socket_cookie(ctx);
	struct pending *pending = pending_find(cookie);

	if (!pending || !(pending->flags & FLAG_FAST_OPEN))
		return;
	now = bpf_ktime_get_ns();
	pending->established_ns = now;
	pending->syn_ack_retransmits = ctx->total_retrans;
	if (to == TCP_ESTABLISHED && !pending->accepted_pid)
		return; /* accept() comes later, as ever */
	acceptor.pid = pending->accepted_pid;
	acceptor.cgroup_id = pending->accepted_cgroup_id;
	__builtin_memcpy(acceptor.name, pending->accepted_name, PROCESS_NAME_LENGTH);
	emit_server(pending, to == TCP_CLOSE ? OUTCOME_RESET : OUTCOME_ESTABLISHED, now, server_latency(pending), &acceptor, 0);
	pending_remove(cookie);
}

#endif
