/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Which sessions a query belongs to, and its record on its way out. */
#ifndef SYNSCOPE_DNS_RECORDS_BPF_H
#define SYNSCOPE_DNS_RECORDS_BPF_H

#include "../dns.h"
#include "../query_names.bpf.h"
#include "../records.bpf.h"
#include "message.bpf.h"

/*
 * The slots whose names or suffixes the message's name matches. The name is in wire form: from its end to its start, where each label's length byte
 * stands for the dot before it.
 */
__noinline __u64 slots_by_query_name(__u32 message_number)
{
	struct dns_message *message = message_at(message_number);
	__u64 hash = query_name_seed, slots = 0;
	__u32 length;

	if (!message)
		return 0;
	/* The root's byte is no part of the text. */
	length = message->name_length - 1;
	for (__u32 back = 1; back < DNS_NAME_LENGTH_MAX; back++) {
		__u32 at = length - back;

		if (back > length)
			break;
		at &= DNS_NAME_LENGTH_MAX;
		if (!(message->label_starts[at / 64] >> at % 64 & 1)) {
			hash = query_name_step(hash, message->bytes[DNS_HEADER_BYTES + at]);
			continue;
		}
		slots |= slots_by_name_hash(hash, true);
		if (!at)
			break;
		hash = query_name_step(hash, '.');
	}
	return slots | slots_by_name_hash(hash, false);
}

/* Both ends of a query come to the same decision without talking. The finalizer of MurmurHash3 (public domain): every bit acts on every bit. */
static __always_inline __u32 sample_hash(const struct dns_query *query)
{
	__u64 hash = query->name ^ query->record.message_id;

	hash = (hash ^ hash >> 33) * 0xff51afd7ed558ccdULL;
	hash = (hash ^ hash >> 33) * 0xc4ceb9fe1a85ec53ULL;
	return hash >> 32;
}

/* Set by the loader, as the filters are: by generation, the slots that watch the port that nearly all DNS goes to. It spares a look into a map. */
#define DNS_PORT 53
__u64 usual_port_slots[2];

static __always_inline __u64 slots_by_dns_port(__u16 port)
{
	return port == DNS_PORT ? usual_port_slots[generation()] : slots_by_value(CRITERION_DNS_PORT, port);
}

/* The slots that a query may still match once its end is known; its name is the message's. */
static __always_inline __u64 candidate_slots(const struct dns_query *query, __u32 message_number)
{
	const struct filter *filter = &filters[generation()];
	const struct dns_query_record *record = &query->record;
	__u64 slots = filter->end_slots[record->side & 3];

	if (slots)
		slots &= slots_by_dns_port(record->server_port);
	if (slots & ~filter->any_query_type)
		slots &= filter->any_query_type | slots_by_value(CRITERION_QUERY_TYPE, record->query_type);
	if (slots & ~filter->any_remote_prefix)
		slots &= filter->any_remote_prefix | slots_by_prefix(record->server_address);
	if (slots & ~filter->any_query_name)
		slots &= filter->any_query_name | slots_by_query_name(message_number);
	if (slots & ~filter->unsampled)
		slots &= slots_by_sample(sample_hash(query));
	return slots;
}

/* The same for a query of the table that was seen under an older filter. */
static __always_inline __u64 slots_under_new_filter(const struct dns_query *query)
{
	__u32 number = message_claim();
	struct dns_message *message = message_at(number);
	__u64 slots;

	if (!message)
		return 0;
	message->name_length = query->record.name_length;
	__builtin_memcpy(message->label_starts, query->label_starts, sizeof(query->label_starts));
	__builtin_memcpy(message->bytes + DNS_HEADER_BYTES, query->record.name, sizeof(query->record.name));
	slots = candidate_slots(query, number);
	message_release(number);
	return slots;
}

/* The slots of a query whose end is known. */
static __always_inline __u64 final_slots(const struct dns_query *query)
{
	const struct filter *filter = &filters[generation()];
	const struct dns_query_record *record = &query->record;
	__u64 slots = record->revision == filter->revision ? record->slots : slots_under_new_filter(query);

	slots = slots_by_process_name(slots, record->process_name);
	slots &= filter->outcome_slots[record->outcome & 3];
	/* What came late or not at all passes whatever time it took. */
	if (record->outcome == DNS_ANSWERED && slots & ~filter->any_latency)
		slots &= slots_by_latency(record->elapsed_ns);
	if (slots & ~filter->any_response_code)
		slots &= filter->any_response_code |
			 (record->response_code == UNKNOWN_U16 ? 0 : slots_by_value(CRITERION_RESPONSE_CODE, record->response_code));
	return slots;
}

static __noinline void emit(struct dns_query *query)
{
	struct dns_query_record *record = &query->record;
	struct counters *c = counters();
	__u64 size, *last;

	record->slots = final_slots(query);
	if (!record->slots)
		return;
	record->revision = filters[generation()].revision;
	/* The bytes behind the name in its last word (little-endian): what they hold is nobody's business. */
	last = (void *)(record->name + (record->name_length & 0xf8));
	if (record->name_length & 7)
		*last &= (1ULL << (record->name_length & 7) * 8) - 1;
	size = offsetof(struct dns_query_record, name) + ((record->name_length + 7) & ~7ULL & 0x1ff);
	if (size > sizeof(*record))
		return;
	if (bpf_ringbuf_output(&records, record, size, wakeup_flag())) {
		if (c)
			c->ring_full++;
	} else if (c) {
		c->emitted++;
	}
}

#endif
