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

/* Set by the loader before the load: whether sockops programs may ask for the current task as a typed pointer, whose fields are plain
 * loads. Else each field costs a call of bpf_probe_read_kernel(). */
const volatile bool has_task_pointer = true;

/* Set by the loader at run time. */
volatile __u32 active_generation = 0;
volatile __u64 sweep_now_ns = 0;       /* iter/bpf_map_elem: the time to compare with */
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
 * By socket cookie, which a request socket and its child share.
 * In: a SYN accepted into a request socket (TIMEOUT_INIT), or a child without one (cookie, Fast Open) at PASSIVE_ESTABLISHED_CB.
 * Out: accept(), CLOSE of the child, RST to the request; else the sweep: a request whose SYN-ACK retransmissions have stopped, a child
 * that waited longer than accept_deadline_ns. Every entry thus mirrors a socket of the kernel's own bounded queues and cannot outlive
 * it by more than one SYN-ACK timeout. Full: counted in pending_table_full; nothing is evicted.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 32768);
	__type(key, __u64);
	__type(value, struct pending);
} pendings SEC(".maps");

/*
 * By socket cookie. Not in socket storage, which costs two allocations per connect() (measured: a preallocated table is cheaper by a third).
 * In: TCP_CONNECT_CB. Out: the end of the attempt, which every socket in SYN_SENT comes to; what is left at detach, the loader removes.
 * Full: counted in pending_table_full.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 32768);
	__type(key, __u64);
	__type(value, struct attempt);
} attempts SEC(".maps");

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

static __always_inline __u64 slots_by_prefix(const __u8 address[16])
{
	struct prefix_key key = {.prefix_length = 8 + 128, .generation = generation()};
	__u64 *slots;

	__builtin_memcpy(key.address, address, 16);
	slots = bpf_map_lookup_elem(&prefix_slots, &key);
	return slots ? *slots : 0;
}

/* The slots that a connection may still match once its end is known. */
static __always_inline __u64 candidate_slots(__u32 role, const struct endpoints *ends)
{
	const struct filter *filter = &filters[generation()];
	__u64 slots = filter->role_slots[role];

	if (slots & ~filter->any_remote_port)
		slots &= filter->any_remote_port | slots_by_port(ends->remote_port, true);
	if (slots & ~filter->any_local_port)
		slots &= filter->any_local_port | slots_by_port(ends->local_port, false);
	if (slots & ~filter->any_remote_prefix)
		slots &= filter->any_remote_prefix | slots_by_prefix(ends->remote_address);
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
	if (outcome == OUTCOME_ESTABLISHED && latency_ns != UNKNOWN_U64 && slots & ~filter->any_latency)
		slots &= slots_by_latency(latency_ns);
	return slots;
}

/* Sampled by the client's ISN: both ends of a handshake, on whatever host, come to the same decision without talking. */
static __always_inline __u64 slots_by_isn(__u64 slots, __u32 client_isn, bool known)
{
	if (!(slots & ~filters[generation()].unsampled))
		return slots;
	/* Knuth's multiplicative hash: 2^32 / golden ratio. */
	return slots & slots_by_sample((known ? client_isn : bpf_get_prandom_u32()) * 2654435761U);
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

/* ── Who and where ──────────────────────────────────────────────────────────────────────────────────────────────────── */

/* The name of the process, not of its thread: what ps and ss show. */
static __always_inline __u32 current_process(char name[PROCESS_NAME_LENGTH], __u64 *cgroup_id)
{
	if (has_task_pointer) {
		struct task_struct *task = bpf_get_current_task_btf();

		bpf_probe_read_kernel(name, PROCESS_NAME_LENGTH, task->group_leader->comm);
		*cgroup_id = task->cgroups->dfl_cgrp->kn->id;
		return task->tgid;
	} else {
		struct task_struct *task = (struct task_struct *)bpf_get_current_task();
		struct task_struct *leader = BPF_CORE_READ(task, group_leader);

		bpf_probe_read_kernel(name, PROCESS_NAME_LENGTH, &leader->comm);
		*cgroup_id = BPF_CORE_READ(task, cgroups, dfl_cgrp, kn, id);
		return BPF_CORE_READ(task, tgid);
	}
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

static __always_inline void set_endpoints(struct handshake_record *record, const struct endpoints *ends)
{
	__builtin_memcpy(record->local_address, ends->local_address, 16);
	__builtin_memcpy(record->remote_address, ends->remote_address, 16);
	record->local_port = ends->local_port;
	record->remote_port = ends->remote_port;
	record->reserved = 0;
}

static __always_inline __u16 socket_flags(struct tcp_sock *tp)
{
	struct tcp_sock___mptcp *mptcp = (void *)tp;

	return bpf_core_field_exists(mptcp->is_mptcp) && BPF_CORE_READ_BITFIELD_PROBED(mptcp, is_mptcp) ? FLAG_MPTCP : 0;
}

static __always_inline void count_table_full(void)
{
	struct counters *c = counters();

	if (c)
		c->pending_table_full++;
}

/* ── Client ─────────────────────────────────────────────────────────────────────────────────────────────────────────── */

static __always_inline void client_begins(struct bpf_sock_ops *ctx)
{
	struct attempt attempt = {};
	struct endpoints ends;
	__u64 cookie;

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
	cookie = bpf_get_socket_cookie(ctx);
	if (bpf_map_update_elem(&attempts, &cookie, &attempt, BPF_ANY)) {
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
	bool established = outcome == OUTCOME_ESTABLISHED;
	__u64 now = bpf_ktime_get_ns(), slots = attempt->slots;
	struct handshake_record *record;
	struct endpoints ends;
	__u32 client_isn;

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

	attempt = bpf_map_lookup_elem(&attempts, &cookie);
	if (!attempt)
		return false;
	if (attempt->set_state_callback)
		bpf_sock_ops_cb_flags_set(ctx, ctx->bpf_sock_ops_cb_flags & ~BPF_SOCK_OPS_STATE_CB_FLAG);
	tp = sk ? bpf_skc_to_tcp_sock(sk) : NULL;
	if (tp)
		emit_client(ctx, tp, attempt, established ? OUTCOME_ESTABLISHED : outcome_of_error(tp->inet_conn.icsk_inet.sk.sk_err));
	bpf_map_delete_elem(&attempts, &cookie);
	return true;
}

/* ── Server ─────────────────────────────────────────────────────────────────────────────────────────────────────────── */

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
	__u64 cookie, hash;
	__u32 at;

	endpoints_of_sockops(ctx, &pending.ends);
	pending.slots = candidate_slots(ROLE_SERVER, &pending.ends);
	if (!pending.slots)
		return;
	cookie = bpf_get_socket_cookie(ctx);
	pending.syn_ns = bpf_ktime_get_ns();
	pending.last_activity_ns = pending.syn_ns;
	pending.revision = filters[generation()].revision;
	pending.srtt_us = UNKNOWN_U32;
	if (bpf_map_update_elem(&pendings, &cookie, &pending, BPF_ANY)) {
		count_table_full();
		return;
	}
	hash = hash_endpoints(&pending.ends);
	at = hash & (REQUEST_INDEX_SIZE - 1);
	entry = bpf_map_lookup_elem(&request_index, &at);
	if (entry) {
		entry->hash = hash;
		entry->cookie = cookie;
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
	__u64 now = bpf_ktime_get_ns();

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
	pending = bpf_map_lookup_elem(&pendings, &cookie);
	if (pending) {
		if (!note_established(ctx, tp, pending)) {
			bpf_map_delete_elem(&pendings, &cookie);
			return;
		}
	} else {
		/* No request socket was seen: a cookie, Fast Open, or a SYN from before we were attached. */
		endpoints_of_sockops(ctx, &fresh.ends);
		fresh.slots = candidate_slots(ROLE_SERVER, &fresh.ends);
		if (!fresh.slots)
			return;
		fresh.revision = filters[generation()].revision;
		if (!note_established(ctx, tp, &fresh))
			return;
		if (!tp->fastopen_rsk && made_by_cookie(ctx)) {
			fresh.flags |= FLAG_SYN_COOKIE;
			fresh.srtt_us = UNKNOWN_U32;
		}
		if (bpf_map_update_elem(&pendings, &cookie, &fresh, BPF_ANY)) {
			count_table_full();
			return;
		}
	}
	/* To see the child die in the accept queue. */
	bpf_sock_ops_cb_flags_set(ctx, ctx->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_STATE_CB_FLAG);
}

static __always_inline void fast_open_ends(struct bpf_sock_ops *ctx, struct pending *pending, __u64 cookie, int to)
{
	struct acceptor acceptor = {.wait_ns = UNKNOWN_U64};
	__u64 now = bpf_ktime_get_ns();

	pending->established_ns = now;
	pending->syn_ack_retransmits = ctx->total_retrans;
	if (to == TCP_ESTABLISHED && !pending->accepted_pid)
		return; /* accept() comes later, as ever */
	acceptor.pid = pending->accepted_pid;
	acceptor.cgroup_id = pending->accepted_cgroup_id;
	__builtin_memcpy(acceptor.name, pending->accepted_name, PROCESS_NAME_LENGTH);
	emit_server(pending, to == TCP_CLOSE ? OUTCOME_RESET : OUTCOME_ESTABLISHED, now, server_latency(pending), &acceptor, 0);
	bpf_map_delete_elem(&pendings, &cookie);
}

/* A child whose STATE_CB we asked for. */
static __always_inline void child_changes(struct bpf_sock_ops *ctx, int from, int to)
{
	struct bpf_sock *sk = ctx->sk;
	struct tcp_sock *tp = sk ? bpf_skc_to_tcp_sock(sk) : NULL;
	struct pending *pending = NULL;
	__u64 cookie;

	if (!tp)
		return;
	/* A child in the accept queue has no socket yet; one that has is reported already. */
	if (from == TCP_SYN_RECV || !tp->inet_conn.icsk_inet.sk.sk_socket) {
		cookie = bpf_get_socket_cookie(ctx);
		pending = bpf_map_lookup_elem(&pendings, &cookie);
	}
	if (!pending) {
		bpf_sock_ops_cb_flags_set(ctx, ctx->bpf_sock_ops_cb_flags & ~BPF_SOCK_OPS_STATE_CB_FLAG);
	} else if (from == TCP_SYN_RECV && pending->flags & FLAG_FAST_OPEN) {
		fast_open_ends(ctx, pending, cookie, to);
	} else if (to == TCP_CLOSE) {
		emit_unaccepted(pending, 0);
		bpf_map_delete_elem(&pendings, &cookie);
	}
}

static __always_inline void state_changes(struct bpf_sock_ops *ctx)
{
	int from = ctx->args[0], to = ctx->args[1];

	if (from != TCP_SYN_SENT) {
		/* A simultaneous open that fails in SYN_RECV is a client's attempt as well. */
		if (from != TCP_SYN_RECV || to != TCP_CLOSE || !client_ends(ctx, false))
			child_changes(ctx, from, to);
	} else if (to == TCP_CLOSE) {
		client_ends(ctx, false);
	} else if (to == TCP_SYN_RECV) {
		__u64 cookie = bpf_get_socket_cookie(ctx);
		struct attempt *attempt = bpf_map_lookup_elem(&attempts, &cookie);

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

SEC("tp_btf/tcp_retransmit_synack")
int BPF_PROG(handshake_retransmit_synack, const struct sock *listener, const struct request_sock *request)
{
	const struct tcp_request_sock *tcp_request = (const void *)request;
	__u64 cookie = request->__req_common.skc_cookie.counter;
	struct pending *pending = bpf_map_lookup_elem(&pendings, &cookie);

	if (!pending || pending->established_ns)
		return 0;
	pending->syn_ack_retransmits++;
	pending->last_activity_ns = bpf_ktime_get_ns();
	pending->netns = request->__req_common.skc_net.net->ns.inum;
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
	struct acceptor nobody = {.wait_ns = UNKNOWN_U64};
	unsigned char *head = skb->head;
	struct endpoints ends = {};
	struct request_entry *entry;
	struct pending *pending;
	struct tcp_header tcp;
	__u64 hash, cookie, now;
	__u32 at;

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
		set_ipv4(ends.local_address, ip.destination);
		set_ipv4(ends.remote_address, ip.source);
	} else {
		struct ipv6_header ip;

		if (bpf_probe_read_kernel(&ip, sizeof(ip), head + skb->network_header) || ip.next_header != IPPROTO_TCP)
			return 0;
		__builtin_memcpy(ends.local_address, ip.destination, 16);
		__builtin_memcpy(ends.remote_address, ip.source, 16);
	}
	ends.local_port = bpf_ntohs(tcp.destination);
	ends.remote_port = bpf_ntohs(tcp.source);
	hash = hash_endpoints(&ends);
	at = hash & (REQUEST_INDEX_SIZE - 1);
	entry = bpf_map_lookup_elem(&request_index, &at);
	if (!entry || entry->hash != hash)
		return 0;
	cookie = entry->cookie;
	pending = bpf_map_lookup_elem(&pendings, &cookie);
	if (!pending || pending->established_ns || pending->flags & FLAG_FAST_OPEN || !same_endpoints(&pending->ends, &ends))
		return 0;
	now = bpf_ktime_get_ns();
	emit_server(pending, OUTCOME_RESET, now, now - pending->syn_ns, &nobody, 0);
	bpf_map_delete_elem(&pendings, &cookie);
	return 0;
}

/* MPTCP hands the application a socket of its own, in front of the first subflow's, which the handshake was. */
#define IPPROTO_MPTCP 262

static __always_inline __u64 accepted_cookie(struct sock *sk)
{
	struct mptcp_sock *mptcp = (void *)sk;

	if (bpf_core_type_exists(struct mptcp_sock) && BPF_CORE_READ(sk, sk_protocol) == IPPROTO_MPTCP)
		return BPF_CORE_READ(mptcp, first, __sk_common.skc_cookie.counter);
	return BPF_CORE_READ(sk, __sk_common.skc_cookie.counter);
}

/* accept() returned `descriptor`: fd → file → socket → sock, all in the caller's own tables. A socket of any other family has
 * another cookie, or none, so nothing more needs to be asked of it. */
static __always_inline int accepted(long descriptor)
{
	struct acceptor acceptor = {};
	struct task_struct *task;
	struct file **files, *file;
	struct pending *pending;
	struct socket *socket;
	__u64 cookie, now;

	if (descriptor < 0)
		return 0;
	if (has_task_pointer) {
		task = bpf_get_current_task_btf();
		files = task->files->fdt->fd;
	} else {
		task = (struct task_struct *)bpf_get_current_task();
		files = BPF_CORE_READ(task, files, fdt, fd);
	}
	if (bpf_probe_read_kernel(&file, sizeof(file), files + descriptor) || !file)
		return 0;
	socket = BPF_CORE_READ(file, private_data);
	cookie = accepted_cookie(BPF_CORE_READ(socket, sk));
	if (!cookie)
		return 0;
	pending = bpf_map_lookup_elem(&pendings, &cookie);
	if (!pending)
		return 0;
	now = bpf_ktime_get_ns();
	acceptor.pid = current_process(acceptor.name, &acceptor.cgroup_id);
	if (!pending->established_ns) {
		/* Fast Open: the application has it before it is ESTABLISHED. */
		pending->accepted_pid = acceptor.pid;
		pending->accepted_cgroup_id = acceptor.cgroup_id;
		__builtin_memcpy(pending->accepted_name, acceptor.name, PROCESS_NAME_LENGTH);
		return 0;
	}
	acceptor.wait_ns = now - pending->established_ns;
	emit_server(pending, OUTCOME_ESTABLISHED, pending->established_ns, server_latency(pending), &acceptor, 0);
	bpf_map_delete_elem(&pendings, &cookie);
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
	const __u64 *entry_cookie = ctx->key;
	const struct pending *entry = ctx->value;
	struct pending pending;
	__u64 cookie, now = sweep_now_ns;

	if (!entry_cookie || !entry)
		return 0;
	cookie = *entry_cookie;
	pending = *entry;
	if (pending.established_ns) {
		if (!sweep_all && now < pending.established_ns + accept_deadline_ns)
			return 0;
		emit_unaccepted(&pending, FLAG_NOT_YET_ACCEPTED);
	} else if (sweep_all) {
		struct counters *c = counters();

		if (c)
			c->unfinished++;
	} else {
		__u32 doublings = pending.syn_ack_retransmits;

		if (doublings > SYN_ACK_DOUBLINGS_MAX)
			doublings = SYN_ACK_DOUBLINGS_MAX;
		/* Still waiting, or due to be retransmitted. Past that the kernel no longer has it. */
		if (now < pending.last_activity_ns + (SYN_ACK_TIMEOUT_NS << doublings) + SYN_ACK_GRACE_NS)
			return 0;
		/* When exactly it went cannot be seen: no latency. */
		emit_server(&pending, OUTCOME_TIMED_OUT, pending.last_activity_ns, UNKNOWN_U64, &nobody, 0);
	}
	bpf_map_delete_elem(&pendings, &cookie);
	return 0;
}
