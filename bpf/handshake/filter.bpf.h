/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Which sessions a handshake belongs to. */
#ifndef SYNSCOPE_HANDSHAKE_FILTER_BPF_H
#define SYNSCOPE_HANDSHAKE_FILTER_BPF_H

#include "../filter.bpf.h"
#include "../handshake.h"

/* The slots that a connection may still match once its end is known. */
static __always_inline __u64 candidate_slots(__u32 role, const struct endpoints *ends)
{
	const struct filter *filter = &filters[generation()];
	__u64 slots = filter->end_slots[role];

	if (slots & ~filter->any_remote_port)
		slots &= filter->any_remote_port | slots_by_value(CRITERION_REMOTE_PORT, ends->remote_port);
	if (slots & ~filter->any_local_port)
		slots &= filter->any_local_port | slots_by_value(CRITERION_LOCAL_PORT, ends->local_port);
	if (slots & ~filter->any_remote_prefix)
		slots &= filter->any_remote_prefix | slots_by_prefix(ends->remote_address);
	return slots;
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

#endif
