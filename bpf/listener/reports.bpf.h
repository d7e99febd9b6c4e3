/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* From entries to records, at the end of an interval. */
#ifndef SYNSCOPE_LISTENER_REPORTS_BPF_H
#define SYNSCOPE_LISTENER_REPORTS_BPF_H

#include "listeners.bpf.h"

/* Set by the loader before the load: a quiet listener is reported so often. */
const volatile __u64 quiet_ns = 30000000000ULL;

/* Set by the loader. */
__u32 ending_period = 0;
__u64 period_began_ns = 0;
__u64 period_ended_ns = 0;
/* Raised whenever every listener is to be reported, however quiet. */
__u32 report_round = 0;
/* At detach: nothing is counted any more, and what is not reported now never is. */
bool report_last = false;

/* Set by listener_sample: a listener came whose process nobody has looked for. */
bool owners_wanted = false;

static __always_inline bool is_still(struct sock *sk, __u64 cookie)
{
	return (__u64)BPF_CORE_READ(sk, __sk_common.skc_cookie.counter) == cookie && BPF_CORE_READ(sk, __sk_common.skc_state) == TCP_LISTEN;
}

static __always_inline void sample(struct listener *listener)
{
	struct sock *sk = (struct sock *)listener->socket;
	struct listener_record *record = &listener->record;

	if (!listener->owner_sought) {
		listener->owner_sought = 1;
		if (!record->pid)
			owners_wanted = true;
	}
	/* The memory may be another socket's by now; only the cookie proves whose it is, and that before and after. */
	listener->gone = !is_still(sk, record->socket_cookie);
	if (!listener->gone) {
		listener->drops_before = listener->drops_sampled;
		read_queues(listener, sk);
		read_settings(record, BPF_CORE_READ(sk, __sk_common.skc_net.net));
		listener->gone = !is_still(sk, record->socket_cookie);
	}
	if (listener->gone) {
		record->accept_queue_length = 0;
		record->syn_queue_length = 0;
	}
	listener->sampled_period = ending_period;
}

/* Run by the loader over every entry when a period ends. */
SEC("iter/bpf_map_elem")
int listener_sample(struct bpf_iter__bpf_map_elem *ctx)
{
	const __u64 *key = ctx->key;
	struct listener *listener;
	__u64 cookie;

	if (!key)
		return 0;
	cookie = *key;
	listener = bpf_map_lookup_elem(&listeners, &cookie);
	if (listener && listener->record.socket_cookie && !listener->gone)
		sample(listener);
	return 0;
}

/* What was counted and is not reported yet. The other period goes on, unless the socket is gone. */
#define UNREPORTED(listener, of, both)                                                                                                         \
	((listener)->counted[ending_period & 1].of - (listener)->reported[ending_period & 1].of +                                                 \
	 ((both) ? (listener)->counted[~ending_period & 1].of - (listener)->reported[~ending_period & 1].of : 0))

static __always_inline void raise_peaks(struct listener_record *record, const struct listener_peaks *peaks, __u32 of_period)
{
	if (peaks->period != of_period)
		return;
	if (peaks->accept_queue > record->accept_queue_peak)
		record->accept_queue_peak = peaks->accept_queue;
	if (peaks->syn_queue > record->syn_queue_peak)
		record->syn_queue_peak = peaks->syn_queue;
}

/* Fills in the record; returns whether it says anything. */
static __always_inline bool fill_counts(struct listener *listener, bool both)
{
	struct listener_record *record = &listener->record;

	record->syns = UNREPORTED(listener, syns, both);
	record->syns_refused_accept_queue_full = UNREPORTED(listener, events[SYN_REFUSED_ACCEPT_QUEUE_FULL], both);
	record->syns_refused_syn_queue_full = UNREPORTED(listener, events[SYN_REFUSED_SYN_QUEUE_FULL], both);
	record->syns_refused_unexplained = UNREPORTED(listener, events[SYN_REFUSED_UNEXPLAINED], both);
	record->syns_answered_by_cookie = UNREPORTED(listener, events[SYN_ANSWERED_BY_COOKIE], both);
	record->acks_dropped_accept_queue_full = UNREPORTED(listener, events[ACK_DROPPED_ACCEPT_QUEUE_FULL], both);
	record->acks_dropped_on_cookie_path = UNREPORTED(listener, events[ACK_DROPPED_ON_COOKIE_PATH], both);
	record->drops = listener->gone ? UNKNOWN_U64 : (__u32)(listener->drops_sampled - listener->drops_before);
	record->accept_queue_peak = record->accept_queue_length;
	record->syn_queue_peak = record->syn_queue_length;
	raise_peaks(record, &listener->peaks[ending_period & 1], ending_period);
	if (both)
		raise_peaks(record, &listener->peaks[~ending_period & 1], ending_period + 1);
	return record->syns || record->acks_dropped_accept_queue_full || record->acks_dropped_on_cookie_path || record->accept_queue_peak ||
	       record->syn_queue_peak || (!listener->gone && record->drops);
}

static __always_inline void report(struct bpf_iter__bpf_map_elem *ctx, struct listener *listener, __u64 cookie)
{
	struct listener_record *record = &listener->record;
	bool both = listener->gone || report_last, eventful = fill_counts(listener, both), due;
	__u64 began = eventful ? period_began_ns : listener->reported_ns;

	due = listener->report_round != report_round || period_ended_ns - listener->reported_ns >= quiet_ns;
	record->observed_ns = period_ended_ns;
	if (began < listener->first_seen_ns)
		began = listener->first_seen_ns;
	record->interval_ns = period_ended_ns > began ? period_ended_ns - began : 0;
	if (eventful || (due && !listener->gone)) {
		/* No room: the kernel hands out what it has and comes back with this entry. */
		if (bpf_seq_write(ctx->meta->seq, record, sizeof(*record)))
			return;
		listener->reported_ns = period_ended_ns;
		listener->report_round = report_round;
		listener->reported[ending_period & 1] = listener->counted[ending_period & 1];
		if (both)
			listener->reported[~ending_period & 1] = listener->counted[~ending_period & 1];
	}
	if (listener->gone)
		bpf_map_delete_elem(&listeners, &cookie);
}

/* Run by the loader over every entry when all of the period that ended is settled. */
SEC("iter/bpf_map_elem")
int listener_report(struct bpf_iter__bpf_map_elem *ctx)
{
	const __u64 *key = ctx->key;
	struct listener *listener;
	__u64 cookie;

	if (!key)
		return 0;
	cookie = *key;
	listener = bpf_map_lookup_elem(&listeners, &cookie);
	if (listener && listener->sampled_period == ending_period)
		report(ctx, listener, cookie);
	return 0;
}

#endif
