// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * DNS queries over UDP and TCP, one finished record per query and side.
 *
 * Client: query out (cgroup_skb egress) → answer in (ingress). Resolver: query in → answer out. dns/senders.bpf.h: who asks.
 *
 * Only stable hooks: cgroup hooks, BTF tracepoints and iterators. All programs only observe: they return 1, which lets everything pass.
 */
#include "kernel_types.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "dns/drops.bpf.h"
#include "dns/packets.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("cgroup_skb/egress")
int dns_egress(struct __sk_buff *skb)
{
	packet(skb, true);
	return 1;
}

SEC("cgroup_skb/ingress")
int dns_ingress(struct __sk_buff *skb)
{
	packet(skb, false);
	return 1;
}

/* A client that is about to ask. */
static __always_inline void connects(struct bpf_sock_addr *ctx)
{
	if (is_dns_port(bpf_ntohs(ctx->user_port)))
		sender_remember(bpf_get_socket_cookie(ctx), bpf_ktime_get_ns());
}

SEC("cgroup/connect4")
int dns_connect4(struct bpf_sock_addr *ctx)
{
	connects(ctx);
	return 1;
}

SEC("cgroup/connect6")
int dns_connect6(struct bpf_sock_addr *ctx)
{
	connects(ctx);
	return 1;
}

/* Set by the loader before the load: a run of dns_sweep stops emitting when so many bytes wait, half of the ring. */
const volatile __u64 sweep_bytes = 1024 * 1024;

/* Set by the loader before each run of dns_sweep. */
__u64 sweep_now_ns = 0;
__u64 deadline_ns = 0;
/* At detach: what is not past its deadline has no end that anybody will see. */
bool sweep_all = false;

/* Set by dns_sweep: it left overdue queries for another run, once the loader has emptied the ring. */
bool sweep_again = false;

static __always_inline void sweep(struct dns_query *query)
{
	struct counters *c = counters();
	bool overdue = sweep_now_ns >= query->asked_ns + deadline_ns;

	if (!query->place || (!overdue && !sweep_all))
		return;
	if (overdue && bpf_ringbuf_query(&records, BPF_RB_AVAIL_DATA) >= sweep_bytes) {
		sweep_again = true;
		return;
	}
	if (!take(&query->claims))
		return;
	if (query->record.transport == TRANSPORT_TCP && !stream_in_step(query->cookie)) {
		if (c)
			c->tcp_stream++;
	} else if (!overdue) {
		if (c)
			c->unfinished++;
	} else {
		query->record.observed_ns = sweep_now_ns;
		query->record.elapsed_ns = sweep_now_ns - query->asked_ns;
		query->record.outcome = DNS_UNANSWERED;
		/* A resolver that is silent now may have answered before. */
		if (query->record.side == SIDE_RESOLVER)
			sender_of(&query->record, query->cookie, sweep_now_ns, false);
		emit(query);
	}
	query_remove(query);
}

/* Run by the loader once a second, over every entry of the table. */
SEC("iter/bpf_map_elem")
int dns_sweep(struct bpf_iter__bpf_map_elem *ctx)
{
	const __u32 *key = ctx->key;
	struct dns_query *query;
	__u32 at;

	if (!key)
		return 0;
	at = *key;
	query = bpf_map_lookup_elem(&queries, &at);
	if (query)
		sweep(query);
	return 0;
}

/* The same over every entry of the overflow map. */
SEC("iter/bpf_map_elem")
int dns_sweep_overflow(struct bpf_iter__bpf_map_elem *ctx)
{
	const __u64 *key = ctx->key;
	struct dns_query *query;
	__u64 at;

	if (!key)
		return 0;
	at = *key;
	query = bpf_map_lookup_elem(&queries_overflow, &at);
	if (query)
		sweep(query);
	return 0;
}
