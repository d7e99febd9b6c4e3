/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Finished records on their way out, and the count of what was lost. */
#ifndef SYNSCOPE_RECORDS_BPF_H
#define SYNSCOPE_RECORDS_BPF_H

#include "../handshake.h"

/* Userspace is woken when this much waits; below, the loader's own timer fetches it. One wake-up per record costs more than all else. */
#define WAKEUP_BYTES (256 * 1024)

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 2 * 1024 * 1024); /* the loader sets it */
} records SEC(".maps");

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

/*
 * Space for one record, or NULL, counted; the caller fills it and calls submit_record(). What was emitted is counted there and not here, lest the
 * compiler joins the two counts around a second look at the pointer: older verifiers (seen on 6.1) then lose the reference.
 */
static __always_inline struct handshake_record *reserve_record(void)
{
	struct handshake_record *record = bpf_ringbuf_reserve(&records, sizeof(*record), 0);
	struct counters *c;

	if (record)
		return record;
	c = counters();
	if (c)
		c->ring_full++;
	return NULL;
}

static __always_inline void submit_record(struct handshake_record *record)
{
	__u64 waiting = bpf_ringbuf_query(&records, BPF_RB_AVAIL_DATA);
	struct counters *c = counters();

	if (c)
		c->emitted++;
	bpf_ringbuf_submit(record, waiting >= WAKEUP_BYTES ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP);
}

static __always_inline void set_endpoints(struct handshake_record *record, const struct endpoints *ends)
{
	__builtin_memcpy(record->local_address, ends->local_address, 16);
	__builtin_memcpy(record->remote_address, ends->remote_address, 16);
	record->local_port = ends->local_port;
	record->remote_port = ends->remote_port;
	record->reserved = 0;
}

static __always_inline void count_table_full(void)
{
	struct counters *c = counters();

	if (c)
		c->pending_table_full++;
}

#endif
