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

#include "handshake.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Set by the loader before the load: whether bpf_get_netns_cookie() exists for sockops (5.14 and later). Without it, equal 4-tuples of
 * two namespaces at the same moment are taken for one. */
const volatile bool has_netns_cookie = true;

/* Set by the loader at run time. */
volatile __u32 active_generation = 0;
volatile __u32 epoch = 0;             /* of the attachment, from 1 */
volatile __u64 sweep_now_ns = 0;      /* iter/bpf_map_elem: the time to compare with */
volatile __u64 accept_deadline_ns = 0; /* a record waits this long for accept() */
volatile __u32 sweep_all = 0;          /* at detach: report what is established, count the rest as unfinished */
struct filter filters[2];

/* Userspace is woken when this much waits; below, the loader's own timer fetches it. One wake-up per record costs more than all else. */
#define WAKEUP_BYTES (256 * 1024)

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4 * 1024 * 1024);
} records SEC(".maps");

/*
 * In: a SYN accepted into a request socket (TIMEOUT_INIT), or a child without one (cookie, Fast Open) at PASSIVE_ESTABLISHED_CB.
 * Out: accept(), CLOSE of the child, RST to the request; else the sweep: a request whose SYN-ACK retransmissions have stopped, a child
 * that waited longer than accept_deadline_ns. Every entry thus mirrors a socket of the kernel's own bounded queues and cannot outlive
 * it by more than one SYN-ACK timeout. Full: counted in pending_table_full, nothing is evicted.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 32768);
	__type(key, struct connection_key);
	__type(value, struct pending);
} pendings SEC(".maps");

/* In: TCP_CONNECT_CB. Out: the end of the attempt; the kernel frees it with the socket at the latest. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct attempt);
} attempts SEC(".maps");

/*
 * SYNs that were answered by cookie: RWND_INIT for a request that TIMEOUT_INIT did not follow. The last one of each CPU waits in
 * last_request, because the next callback decides. In: the next SYN on that CPU. Out: the handshake's end; unanswered ones are evicted,
 * which loses no record, only its FLAG_SYN_COOKIE.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, struct connection_key);
	__type(value, __u8);
} cookie_syns SEC(".maps");

struct last_request {
	struct connection_key key;
	__u64 undecided;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct last_request);
} last_requests SEC(".maps");

/* Filter criteria that name values; written by the loader only. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 2 * 2 * SLOT_COUNT * SLOT_PORTS_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct port_key);
	__type(value, __u64);
} port_slots SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 2 * SLOT_COUNT * SLOT_PREFIXES_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct prefix_key);
	__type(value, __u64);
} prefix_slots SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 2 * SLOT_COUNT * SLOT_PROCESS_NAMES_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct process_name_key);
	__type(value, __u64);
} process_name_slots SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct counters);
} counts SEC(".maps");

static __always_inline struct counters *counters(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&counts, &zero);
}

/* ── Filter ─────────────────────────────────────────────────────────────────────────────────────────────────────────── */

static __always_inline __u32 generation(void)
{
	return active_generation & 1;
}

/* Global functions are verified once, by themselves: their seven halvings do not multiply the paths of the callers. */
__noinline __u64 slots_by_latency(__u64 latency_ns)
{
	const struct slot_step *steps = filters[active_generation & 1].latency;
	__u32 at = 0;

	for (__u32 half = STEP_COUNT / 2; half; half >>= 1)
		if (steps[(at + half) & (STEP_COUNT - 1)].from <= latency_ns)
			at += half;
	return steps[at & (STEP_COUNT - 1)].slots;
}

__noinline __u64 slots_by_sample(__u32 hash)
{
	const struct slot_step *steps = filters[active_generation & 1].sample;
	__u32 at = 0;

	for (__u32 half = STEP_COUNT / 2; half; half >>= 1)
		if (steps[(at + half) & (STEP_COUNT - 1)].from <= hash)
			at += half;
	return steps[at & (STEP_COUNT - 1)].slots;
}

static __always_inline __u64 slots_by_port(__u32 port, bool remote)
{
	struct port_key key = {.generation = generation(), .port = port, .remote = remote};
	__u64 *slots = bpf_map_lookup_elem(&port_slots, &key);

	return slots ? *slots : 0;
}

/* The slots that a connection may still match once its end is known. */
static __always_inline __u64 candidate_slots(__u32 role, const struct connection_key *key)
{
	const struct filter *filter = &filters[generation()];
	__u64 slots = filter->role_slots[role];

	if (slots & ~filter->any_remote_port)
		slots &= filter->any_remote_port | slots_by_port(key->remote_port, true);
	if (slots & ~filter->any_local_port)
		slots &= filter->any_local_port | slots_by_port(key->local_port, false);
	if (slots & ~filter->any_remote_prefix) {
		struct prefix_key prefix = {.prefix_length = 8 + 128, .generation = generation()};
		__u64 *named;

		__builtin_memcpy(prefix.address, key->remote_address, 16);
		named = bpf_map_lookup_elem(&prefix_slots, &prefix);
		slots &= filter->any_remote_prefix | (named ? *named : 0);
	}
	return slots;
}

static __always_inline __u64 slots_by_process_name(__u64 slots, const char *name)
{
	const struct filter *filter = &filters[generation()];
	struct process_name_key key = {.generation = generation()};
	__u64 *named;

	if (!(slots & ~filter->any_process_name))
		return slots;
	__builtin_memcpy(key.name, name, PROCESS_NAME_LENGTH);
	named = bpf_map_lookup_elem(&process_name_slots, &key);
	return slots & (filter->any_process_name | (named ? *named : 0));
}

static __always_inline __u64 slots_by_outcome(__u64 slots, __u32 outcome, __u64 latency_ns)
{
	const struct filter *filter = &filters[generation()];

	slots &= filter->outcome_slots[outcome];
	/* A failed handshake passes whatever time it took; so does one whose latency nobody can know. */
	if (outcome == OUTCOME_ESTABLISHED && latency_ns != UNKNOWN_U64 && slots)
		slots &= slots_by_latency(latency_ns);
	return slots;
}

/* Sampled by the client's ISN: both ends of a handshake, on whatever host, come to the same decision without talking. */
static __always_inline __u64 slots_by_isn(__u64 slots, __u32 client_isn, bool known)
{
	/* Knuth's multiplicative hash: 2^32 / golden ratio. */
	return slots ? slots & slots_by_sample((known ? client_isn : bpf_get_prandom_u32()) * 2654435761U) : 0;
}

/* ── Emit ───────────────────────────────────────────────────────────────────────────────────────────────────────────── */

/* Space for one record, counted; the caller fills it and calls submit_record(). */
static __always_inline struct handshake_record *reserve_record(void)
{
	struct handshake_record *record = bpf_ringbuf_reserve(&records, sizeof(*record), 0);
	struct counters *c = counters();

	if (c) {
		c->offered++;
		if (record)
			c->emitted++;
		else
			c->ring_full++;
	}
	return record;
}

static __always_inline void submit_record(struct handshake_record *record)
{
	__u64 waiting = bpf_ringbuf_query(&records, BPF_RB_AVAIL_DATA);

	bpf_ringbuf_submit(record, waiting >= WAKEUP_BYTES ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP);
}

static __always_inline void set_connection(struct handshake_record *record, const struct connection_key *key)
{
	__builtin_memcpy(record->local_address, key->local_address, 16);
	__builtin_memcpy(record->remote_address, key->remote_address, 16);
	record->local_port = key->local_port;
	record->remote_port = key->remote_port;
	record->reserved = 0;
}

/* ── Who and where ──────────────────────────────────────────────────────────────────────────────────────────────────── */

/* The name of the process, not of its thread: what ps and ss show. */
static __always_inline __u32 current_process(char name[PROCESS_NAME_LENGTH], __u64 *cgroup_id)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct task_struct *leader = BPF_CORE_READ(task, group_leader);

	BPF_CORE_READ_STR_INTO(&*(char(*)[PROCESS_NAME_LENGTH])name, leader, comm);
	*cgroup_id = BPF_CORE_READ(task, cgroups, dfl_cgrp, kn, id);
	return BPF_CORE_READ(task, tgid);
}

static __always_inline void set_ipv4(__u8 address[16], __u32 ipv4)
{
	__u32 *words = (__u32 *)address;

	words[0] = 0;
	words[1] = 0;
	words[2] = bpf_htonl(0xffff);
	words[3] = ipv4;
}

static __always_inline void connection_of_sockops(struct bpf_sock_ops *ctx, struct connection_key *key)
{
	__u32 *local = (__u32 *)key->local_address;
	__u32 *remote = (__u32 *)key->remote_address;

	key->netns_cookie = has_netns_cookie ? bpf_get_netns_cookie(ctx) : 0;
	if (ctx->family == AF_INET) {
		set_ipv4(key->local_address, ctx->local_ip4);
		set_ipv4(key->remote_address, ctx->remote_ip4);
		/* Keeps the two branches' loads apart: merged, they would need a computed context offset, which the verifier refuses. */
		__asm__ volatile("" ::: "memory");
	} else {
		local[0] = ctx->local_ip6[0];
		local[1] = ctx->local_ip6[1];
		local[2] = ctx->local_ip6[2];
		local[3] = ctx->local_ip6[3];
		remote[0] = ctx->remote_ip6[0];
		remote[1] = ctx->remote_ip6[1];
		remote[2] = ctx->remote_ip6[2];
		remote[3] = ctx->remote_ip6[3];
	}
	key->local_port = ctx->local_port;
	key->remote_port = bpf_ntohl(ctx->remote_port); /* the port is in the upper half, in network order */
	key->reserved = 0;
}

static __always_inline __u64 netns_cookie_of(struct net *net)
{
	if (!has_netns_cookie || !bpf_core_field_exists(net->net_cookie))
		return 0;
	return BPF_CORE_READ(net, net_cookie);
}

static __always_inline void connection_of_common(const struct sock_common *common, __u16 local_port, struct connection_key *key)
{
	key->netns_cookie = netns_cookie_of(BPF_CORE_READ(common, skc_net.net));
	if (BPF_CORE_READ(common, skc_family) == AF_INET) {
		set_ipv4(key->local_address, BPF_CORE_READ(common, skc_rcv_saddr));
		set_ipv4(key->remote_address, BPF_CORE_READ(common, skc_daddr));
	} else {
		BPF_CORE_READ_INTO((struct in6_addr *)key->local_address, common, skc_v6_rcv_saddr);
		BPF_CORE_READ_INTO((struct in6_addr *)key->remote_address, common, skc_v6_daddr);
	}
	key->local_port = local_port;
	key->remote_port = bpf_ntohs(BPF_CORE_READ(common, skc_dport));
	key->reserved = 0;
}

static __always_inline __u16 socket_flags(struct tcp_sock *tp)
{
	struct tcp_sock___mptcp *mptcp = (void *)tp;

	return bpf_core_field_exists(mptcp->is_mptcp) && BPF_CORE_READ_BITFIELD_PROBED(mptcp, is_mptcp) ? FLAG_MPTCP : 0;
}

/* ── Client ─────────────────────────────────────────────────────────────────────────────────────────────────────────── */

static __always_inline void client_begins(struct bpf_sock_ops *ctx)
{
	struct connection_key key;
	struct bpf_sock *sk = ctx->sk;
	struct attempt *attempt;
	struct counters *c;
	__u64 slots;

	connection_of_sockops(ctx, &key);
	slots = candidate_slots(ROLE_CLIENT, &key);
	if (!slots || !sk)
		return;
	c = counters();
	attempt = bpf_sk_storage_get(&attempts, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	if (!attempt) {
		if (c)
			c->socket_storage++;
		return;
	}
	attempt->pid = current_process(attempt->process_name, &attempt->cgroup_id);
	attempt->slots = slots_by_process_name(slots, attempt->process_name);
	if (!attempt->slots) {
		attempt->epoch = 0;
		return;
	}
	attempt->revision = filters[generation()].revision;
	attempt->retransmits_before = ctx->total_retrans;
	attempt->simultaneous_open = 0;
	attempt->epoch = epoch;
	/* STATE_CB only for this socket, and only until its handshake ends. */
	attempt->set_state_callback = !(ctx->bpf_sock_ops_cb_flags & BPF_SOCK_OPS_STATE_CB_FLAG);
	if (attempt->set_state_callback)
		bpf_sock_ops_cb_flags_set(ctx, ctx->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_STATE_CB_FLAG);
	if (c)
		c->attempts_begun++;
	attempt->start_ns = bpf_ktime_get_ns();
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

static __always_inline void client_ends(struct bpf_sock_ops *ctx, bool established)
{
	__u64 now = bpf_ktime_get_ns();
	struct bpf_sock *sk = ctx->sk;
	struct handshake_record *record;
	struct connection_key key;
	struct attempt *attempt;
	struct tcp_sock *tp;
	struct counters *c;
	__u32 outcome, client_isn;
	__u64 slots, latency;

	if (!sk)
		return;
	attempt = bpf_sk_storage_get(&attempts, sk, NULL, 0);
	if (!attempt || !attempt->epoch)
		return;
	if (attempt->set_state_callback)
		bpf_sock_ops_cb_flags_set(ctx, ctx->bpf_sock_ops_cb_flags & ~BPF_SOCK_OPS_STATE_CB_FLAG);
	if (attempt->epoch != epoch) {
		attempt->epoch = 0; /* already counted as unfinished when that attachment ended */
		return;
	}
	attempt->epoch = 0;
	c = counters();
	if (c)
		c->attempts_ended++;
	tp = bpf_skc_to_tcp_sock(sk);
	if (!tp)
		return;
	outcome = established ? OUTCOME_ESTABLISHED : outcome_of_error(tp->inet_conn.icsk_inet.sk.sk_err);
	latency = now - attempt->start_ns;
	connection_of_sockops(ctx, &key);
	slots = attempt->slots;
	if (attempt->revision != filters[generation()].revision)
		slots = slots_by_process_name(candidate_slots(ROLE_CLIENT, &key), attempt->process_name);
	slots = slots_by_outcome(slots, outcome, latency);
	/* snd_una has passed the SYN, and what Fast Open sent with it, exactly as far as bytes_acked says (RFC 4898 counts the SYN). */
	client_isn = ctx->snd_una - (established ? (__u32)ctx->bytes_acked : 0);
	slots = slots_by_isn(slots, client_isn, true);
	if (!slots)
		return;
	record = reserve_record();
	if (!record)
		return;
	set_connection(record, &key);
	record->observed_ns = now;
	record->slots = slots;
	record->revision = filters[generation()].revision;
	record->latency_ns = latency;
	record->accept_wait_ns = UNKNOWN_U64;
	record->cgroup_id = attempt->cgroup_id;
	record->client_isn = client_isn;
	record->server_isn = ctx->rcv_nxt - 1;
	record->srtt_us = established && ctx->srtt_us ? ctx->srtt_us >> 3 : UNKNOWN_U32; /* kept in eighths */
	record->netns = BPF_CORE_READ(tp, inet_conn.icsk_inet.sk.__sk_common.skc_net.net, ns.inum);
	record->pid = attempt->pid;
	record->syn_retransmits = ctx->total_retrans - attempt->retransmits_before;
	record->syn_ack_retransmits = UNKNOWN_U16;
	record->flags = socket_flags(tp) | FLAG_CLIENT_ISN_KNOWN | (established ? FLAG_SERVER_ISN_KNOWN : 0) |
			(attempt->simultaneous_open ? FLAG_SIMULTANEOUS_OPEN : 0);
	record->role = ROLE_CLIENT;
	record->outcome = outcome;
	__builtin_memcpy(record->process_name, attempt->process_name, PROCESS_NAME_LENGTH);
	submit_record(record);
}

/* ── Server ─────────────────────────────────────────────────────────────────────────────────────────────────────────── */

struct acceptor {
	__u32 pid; /* 0 = nobody accepted it (yet) */
	__u64 cgroup_id;
	__u64 wait_ns;
	char name[PROCESS_NAME_LENGTH];
};

static __always_inline void emit_server(const struct connection_key *key, const struct pending *pending, __u32 outcome, __u64 observed_ns,
					__u64 latency_ns, const struct acceptor *acceptor, __u16 flags)
{
	struct handshake_record *record;
	__u64 slots = pending->slots;

	if (pending->revision != filters[generation()].revision)
		slots = candidate_slots(ROLE_SERVER, key);
	slots = slots_by_outcome(slots, outcome, latency_ns);
	slots = slots_by_process_name(slots, acceptor->name);
	slots = slots_by_isn(slots, pending->client_isn, pending->flags & FLAG_CLIENT_ISN_KNOWN);
	if (!slots)
		return;
	record = reserve_record();
	if (!record)
		return;
	set_connection(record, key);
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

static __always_inline void emit_unaccepted(const struct connection_key *key, const struct pending *pending, __u16 flags)
{
	struct acceptor nobody = {.wait_ns = UNKNOWN_U64};

	emit_server(key, pending, OUTCOME_ESTABLISHED, pending->established_ns, server_latency(pending), &nobody, flags);
}

/* RWND_INIT: every SYN that is going to be answered. */
static __always_inline void request_seen(struct bpf_sock_ops *ctx)
{
	struct last_request *last;
	__u32 zero = 0;
	__u8 one = 1;

	if (!filters[generation()].role_slots[ROLE_SERVER])
		return;
	last = bpf_map_lookup_elem(&last_requests, &zero);
	if (!last)
		return;
	if (last->undecided)
		bpf_map_update_elem(&cookie_syns, &last->key, &one, BPF_ANY);
	connection_of_sockops(ctx, &last->key);
	last->undecided = 1;
}

/* TIMEOUT_INIT: the SYN got a request socket. In the same softirq as RWND_INIT, right behind it. */
static __always_inline void request_begins(struct bpf_sock_ops *ctx)
{
	struct pending pending = {};
	struct last_request *last;
	struct connection_key key;
	struct counters *c;
	__u32 zero = 0;

	connection_of_sockops(ctx, &key);
	last = bpf_map_lookup_elem(&last_requests, &zero);
	if (last)
		last->undecided = 0;
	pending.slots = candidate_slots(ROLE_SERVER, &key);
	if (!pending.slots)
		return;
	pending.syn_ns = bpf_ktime_get_ns();
	pending.last_activity_ns = pending.syn_ns;
	pending.revision = filters[generation()].revision;
	pending.srtt_us = UNKNOWN_U32;
	if (bpf_map_update_elem(&pendings, &key, &pending, BPF_ANY)) {
		c = counters();
		if (c)
			c->pending_table_full++;
	}
}

static __always_inline bool same_connection(const struct connection_key *a, const struct connection_key *b)
{
	const __u64 *left = (const void *)a, *right = (const void *)b;
	__u64 difference = 0;

	for (__u32 i = 0; i < sizeof(*a) / sizeof(*left); i++)
		difference |= left[i] ^ right[i];
	return !difference;
}

static __always_inline bool take_cookie_syn(const struct connection_key *key)
{
	struct last_request *last;
	__u32 zero = 0;

	if (!bpf_map_delete_elem(&cookie_syns, key))
		return true;
	last = bpf_map_lookup_elem(&last_requests, &zero);
	if (!last || !last->undecided || !same_connection(&last->key, key))
		return false;
	last->undecided = 0;
	return true;
}

static __always_inline void server_established(struct bpf_sock_ops *ctx)
{
	__u64 now = bpf_ktime_get_ns();
	struct pending *pending, fresh = {};
	struct bpf_sock *sk = ctx->sk;
	struct connection_key key;
	struct tcp_sock *tp;
	__u64 slots;
	bool fast_open;

	if (!sk)
		return;
	connection_of_sockops(ctx, &key);
	pending = bpf_map_lookup_elem(&pendings, &key);
	if (!pending) {
		/* No request socket was seen: a cookie, Fast Open, or a SYN from before we were attached. */
		fresh.slots = candidate_slots(ROLE_SERVER, &key);
		if (!fresh.slots)
			return;
		fresh.revision = filters[generation()].revision;
		pending = &fresh;
	}
	tp = bpf_skc_to_tcp_sock(sk);
	if (!tp)
		return;
	fast_open = tp->fastopen_rsk != NULL;
	if (pending == &fresh && !fast_open && take_cookie_syn(&key))
		pending->flags |= FLAG_SYN_COOKIE;
	pending->client_isn = ctx->rcv_nxt - 1;
	pending->server_isn = ctx->snd_una - 1;
	pending->srtt_us = ctx->srtt_us ? ctx->srtt_us >> 3 : UNKNOWN_U32;
	pending->syn_ack_retransmits = ctx->total_retrans;
	pending->netns = BPF_CORE_READ(tp, inet_conn.icsk_inet.sk.__sk_common.skc_net.net, ns.inum);
	pending->flags |= FLAG_CLIENT_ISN_KNOWN | FLAG_SERVER_ISN_KNOWN | socket_flags(tp);
	if (fast_open) {
		/* The child is made by the SYN itself and is ESTABLISHED only with the third packet. */
		pending->flags |= FLAG_FAST_OPEN;
		pending->syn_ns = now;
		pending->last_activity_ns = now;
	} else {
		pending->established_ns = now;
		slots = slots_by_outcome(pending->slots, OUTCOME_ESTABLISHED, server_latency(pending));
		if (!slots && pending->revision == filters[generation()].revision) {
			if (pending != &fresh)
				bpf_map_delete_elem(&pendings, &key);
			return;
		}
	}
	if (pending == &fresh && bpf_map_update_elem(&pendings, &key, &fresh, BPF_ANY)) {
		struct counters *c = counters();

		if (c)
			c->pending_table_full++;
		return;
	}
	/* To see the child die in the accept queue. */
	bpf_sock_ops_cb_flags_set(ctx, ctx->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_STATE_CB_FLAG);
}

/* STATE_CB of a child: args[0] → args[1]. */
static __always_inline void server_state(struct bpf_sock_ops *ctx, int from, int to)
{
	struct acceptor acceptor = {.wait_ns = UNKNOWN_U64};
	struct connection_key key;
	struct pending *pending;

	connection_of_sockops(ctx, &key);
	pending = bpf_map_lookup_elem(&pendings, &key);
	if (!pending) {
		/* Accepted long ago: nothing more to see on this socket. */
		bpf_sock_ops_cb_flags_set(ctx, ctx->bpf_sock_ops_cb_flags & ~BPF_SOCK_OPS_STATE_CB_FLAG);
		return;
	}
	if (from == TCP_SYN_RECV && (pending->flags & FLAG_FAST_OPEN)) {
		__u64 now = bpf_ktime_get_ns();

		pending->established_ns = now;
		pending->syn_ack_retransmits = ctx->total_retrans;
		if (to == TCP_ESTABLISHED && !pending->accepted_pid)
			return; /* accept() comes later, as ever */
		acceptor.pid = pending->accepted_pid;
		acceptor.cgroup_id = pending->accepted_cgroup_id;
		__builtin_memcpy(acceptor.name, pending->accepted_name, PROCESS_NAME_LENGTH);
		emit_server(&key, pending, to == TCP_CLOSE ? OUTCOME_RESET : OUTCOME_ESTABLISHED, now, server_latency(pending), &acceptor, 0);
		bpf_map_delete_elem(&pendings, &key);
	} else if (to == TCP_CLOSE) {
		emit_unaccepted(&key, pending, 0);
		bpf_map_delete_elem(&pendings, &key);
	}
}

static __always_inline void state_changes(struct bpf_sock_ops *ctx)
{
	int from = ctx->args[0], to = ctx->args[1];
	struct bpf_sock *sk = ctx->sk;
	struct attempt *attempt;

	if (!sk)
		return;
	attempt = bpf_sk_storage_get(&attempts, sk, NULL, 0);
	if (attempt && attempt->epoch) {
		if (from == TCP_SYN_SENT && to == TCP_SYN_RECV)
			attempt->simultaneous_open = 1;
		else if (to == TCP_CLOSE)
			client_ends(ctx, false);
		return;
	}
	server_state(ctx, from, to);
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
	case BPF_SOCK_OPS_RWND_INIT:
		if (!ctx->is_fullsock)
			request_seen(ctx);
		break;
	case BPF_SOCK_OPS_TIMEOUT_INIT:
		if (!ctx->is_fullsock)
			request_begins(ctx);
		break;
	case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB: {
		struct bpf_sock *sk = ctx->sk;
		struct attempt *attempt = sk ? bpf_sk_storage_get(&attempts, sk, NULL, 0) : NULL;

		/* Simultaneous open (RFC 9293 §3.5): a socket that called connect() ends here. */
		if (attempt && attempt->epoch)
			client_ends(ctx, true);
		else
			server_established(ctx);
		break;
	}
	case BPF_SOCK_OPS_STATE_CB:
		state_changes(ctx);
		break;
	}
	return 1;
}

SEC("tp_btf/tcp_retransmit_synack")
int BPF_PROG(handshake_retransmit_synack, const struct sock *listener, const struct request_sock *request)
{
	const struct tcp_request_sock *tcp_request = (const void *)request;
	struct connection_key key;
	struct pending *pending;

	connection_of_common(&request->__req_common, BPF_CORE_READ(request, __req_common.skc_num), &key);
	pending = bpf_map_lookup_elem(&pendings, &key);
	if (!pending || pending->established_ns)
		return 0;
	pending->syn_ack_retransmits++;
	pending->last_activity_ns = bpf_ktime_get_ns();
	pending->netns = BPF_CORE_READ(request, __req_common.skc_net.net, ns.inum);
	pending->client_isn = BPF_CORE_READ(tcp_request, rcv_isn);
	pending->server_isn = BPF_CORE_READ(tcp_request, snt_isn);
	pending->flags |= FLAG_CLIENT_ISN_KNOWN | FLAG_SERVER_ISN_KNOWN;
	return 0;
}

/* The fields of an IP and a TCP header that we need (RFC 791, RFC 8200, RFC 9293). */
struct ipv4_header {
	__u8 version_ihl;
	__u8 tos;
	__u8 total_length[2];
	__u8 fragment[4];
	__u8 ttl;
	__u8 protocol;
	__u8 checksum[2];
	__u32 source;
	__u32 destination;
};

struct ipv6_header {
	__u8 version_flow[4];
	__u8 payload_length[2];
	__u8 next_header;
	__u8 hop_limit;
	__u8 source[16];
	__u8 destination[16];
};

struct tcp_header {
	__be16 source;
	__be16 destination;
	__u8 sequence[4];
	__u8 acknowledgement[4];
	__u8 data_offset;
	__u8 flags;
};
#define TCP_FLAG_RST 0x04

/*
 * An RST to a request socket removes it without any callback, but the segment itself is then dropped, and that can be seen. Every other
 * drop on the host leaves after two loads.
 */
SEC("tp_btf/kfree_skb")
int BPF_PROG(handshake_kfree_skb, struct sk_buff *skb)
{
	__u64 now;
	struct acceptor nobody = {.wait_ns = UNKNOWN_U64};
	unsigned char *head = skb->head;
	struct connection_key key = {};
	struct net_device *dev;
	struct pending *pending;
	struct tcp_header tcp;

	if (skb->protocol != bpf_htons(ETH_P_IP) && skb->protocol != bpf_htons(ETH_P_IPV6))
		return 0;
	/* Unset transport header: not yet, or never, in TCP's hands (include/linux/skbuff.h skb_transport_header_was_set). */
	if (skb->transport_header == (__u16)~0U || skb->transport_header <= skb->network_header)
		return 0;
	if (bpf_probe_read_kernel(&tcp, sizeof(tcp), head + skb->transport_header) || !(tcp.flags & TCP_FLAG_RST))
		return 0;
	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		struct ipv4_header ip;

		if (bpf_probe_read_kernel(&ip, sizeof(ip), head + skb->network_header) || ip.protocol != IPPROTO_TCP)
			return 0;
		set_ipv4(key.local_address, ip.destination);
		set_ipv4(key.remote_address, ip.source);
	} else {
		struct ipv6_header ip;

		if (bpf_probe_read_kernel(&ip, sizeof(ip), head + skb->network_header) || ip.next_header != IPPROTO_TCP)
			return 0;
		__builtin_memcpy(key.local_address, ip.destination, 16);
		__builtin_memcpy(key.remote_address, ip.source, 16);
	}
	dev = skb->dev;
	if (!dev)
		return 0;
	key.netns_cookie = netns_cookie_of(dev->nd_net.net);
	key.local_port = bpf_ntohs(tcp.destination);
	key.remote_port = bpf_ntohs(tcp.source);
	pending = bpf_map_lookup_elem(&pendings, &key);
	if (!pending || pending->established_ns || (pending->flags & FLAG_FAST_OPEN))
		return 0;
	now = bpf_ktime_get_ns();
	pending->netns = BPF_CORE_READ(dev, nd_net.net, ns.inum);
	emit_server(&key, pending, OUTCOME_RESET, now, now - pending->syn_ns, &nobody, 0);
	bpf_map_delete_elem(&pendings, &key);
	return 0;
}

/* accept() returned `descriptor`: fd → file → socket → sock, all in the caller's own tables. */
static __always_inline int accepted(long descriptor)
{
	struct acceptor acceptor = {};
	struct task_struct *task;
	struct connection_key key;
	struct pending *pending;
	struct fdtable *table;
	struct sock *sk;
	struct file **files, *file;
	struct socket *socket;
	__u64 now;
	__u16 family;

	if (descriptor < 0)
		return 0;
	now = bpf_ktime_get_ns();
	task = (struct task_struct *)bpf_get_current_task();
	table = BPF_CORE_READ(task, files, fdt);
	if (descriptor >= BPF_CORE_READ(table, max_fds))
		return 0;
	files = BPF_CORE_READ(table, fd);
	if (bpf_probe_read_kernel(&file, sizeof(file), files + descriptor) || !file)
		return 0;
	socket = BPF_CORE_READ(file, private_data);
	sk = BPF_CORE_READ(socket, sk);
	family = BPF_CORE_READ(sk, __sk_common.skc_family);
	if (family != AF_INET && family != AF_INET6)
		return 0;
	connection_of_common(&sk->__sk_common, bpf_ntohs(BPF_CORE_READ((struct inet_sock *)sk, inet_sport)), &key);
	pending = bpf_map_lookup_elem(&pendings, &key);
	if (!pending)
		return 0;
	acceptor.pid = current_process(acceptor.name, &acceptor.cgroup_id);
	if (!pending->established_ns) {
		/* Fast Open: the application has it before it is ESTABLISHED. */
		pending->accepted_pid = acceptor.pid;
		pending->accepted_cgroup_id = acceptor.cgroup_id;
		__builtin_memcpy(pending->accepted_name, acceptor.name, PROCESS_NAME_LENGTH);
		return 0;
	}
	acceptor.wait_ns = now - pending->established_ns;
	emit_server(&key, pending, OUTCOME_ESTABLISHED, pending->established_ns, server_latency(pending), &acceptor, 0);
	bpf_map_delete_elem(&pendings, &key);
	return 0;
}

SEC("tracepoint/syscalls/sys_exit_accept")
int handshake_exit_accept(struct syscall_exit_args *ctx)
{
	return accepted(ctx->ret);
}

SEC("tracepoint/syscalls/sys_exit_accept4")
int handshake_exit_accept4(struct syscall_exit_args *ctx)
{
	return accepted(ctx->ret);
}

/* TCP_TIMEOUT_INIT of include/net/tcp.h, and a grace for a late timer. */
#define SYN_ACK_TIMEOUT_NS 1000000000ULL
#define SYN_ACK_GRACE_NS 1500000000ULL
/* TCP_RTO_MAX: 120 s. Doubling from 1 s passes it with the seventh. */
#define SYN_ACK_DOUBLINGS_MAX 7

/* Run by the loader once a second, over every entry. */
SEC("iter/bpf_map_elem")
int handshake_sweep(struct bpf_iter__bpf_map_elem *ctx)
{
	struct acceptor nobody = {.wait_ns = UNKNOWN_U64};
	const struct connection_key *entry_key = ctx->key;
	const struct pending *entry = ctx->value;
	struct connection_key key;
	struct pending pending;
	__u64 now = sweep_now_ns;

	if (!entry_key || !entry)
		return 0;
	key = *entry_key;
	pending = *entry;
	if (pending.established_ns) {
		if (!sweep_all && now < pending.established_ns + accept_deadline_ns)
			return 0;
		emit_unaccepted(&key, &pending, FLAG_NOT_YET_ACCEPTED);
	} else {
		__u32 doublings = pending.syn_ack_retransmits;

		if (sweep_all) {
			struct counters *c = counters();

			if (c)
				c->requests_unfinished++;
			bpf_map_delete_elem(&pendings, &key);
			return 0;
		}
		if (doublings > SYN_ACK_DOUBLINGS_MAX)
			doublings = SYN_ACK_DOUBLINGS_MAX;
		/* Still waiting, or due to be retransmitted. Past that the kernel no longer has it. */
		if (now < pending.last_activity_ns + (SYN_ACK_TIMEOUT_NS << doublings) + SYN_ACK_GRACE_NS)
			return 0;
		/* When exactly it went cannot be seen: no latency. */
		emit_server(&key, &pending, OUTCOME_TIMED_OUT, pending.last_activity_ns, UNKNOWN_U64, &nobody, 0);
	}
	bpf_map_delete_elem(&pendings, &key);
	return 0;
}
