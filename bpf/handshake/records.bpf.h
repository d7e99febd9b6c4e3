/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Finished handshakes on their way out. */
#ifndef SYNSCOPE_HANDSHAKE_RECORDS_BPF_H
#define SYNSCOPE_HANDSHAKE_RECORDS_BPF_H

#include "../handshake.h"
#include "../records.bpf.h"

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
	__u64 wakeup = wakeup_flag();
	struct counters *c = counters();

	if (c)
		c->emitted++;
	bpf_ringbuf_submit(record, wakeup);
}

static __always_inline void set_endpoints(struct handshake_record *record, const struct endpoints *ends)
{
	__builtin_memcpy(record->local_address, ends->local_address, 16);
	__builtin_memcpy(record->remote_address, ends->remote_address, 16);
	record->local_port = ends->local_port;
	record->remote_port = ends->remote_port;
	record->reserved = 0;
}

#endif
