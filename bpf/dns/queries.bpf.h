/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Queries without an answer yet, and how each of them ends in one record, once. */
#ifndef SYNSCOPE_DNS_QUERIES_BPF_H
#define SYNSCOPE_DNS_QUERIES_BPF_H

#include "../claim.bpf.h"
#include "lookups.bpf.h"
#include "message.bpf.h"
#include "records.bpf.h"
#include "senders.bpf.h"

/* Set by the loader before the load: entries of `queries`, a power of two, less one. */
const volatile __u32 query_mask = 32767;
/* A random number, so that nobody can choose queries that fall on one place. */
const volatile __u64 place_seed = 0;

/*
 * A query lies at one of WAYS places behind each other that its ends and id point to; so all that an answer without a question may answer lie
 * together. In: the query. Out: its answer, or dns_sweep. When all places are taken it goes to the overflow map; when that is full it is counted.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 32768);
	__type(key, __u32);
	__type(value, struct dns_query);
} queries SEC(".maps");

/* By place and question: of several attempts that are equal in all (glibc's), one. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__type(key, __u64);
	__type(value, struct dns_query);
} queries_overflow SEC(".maps");

/* How many are in the overflow map: spares the second look of those who find nothing in the first. */
volatile __u64 queries_overflowed = 0;

static __always_inline __u64 hash_place(const struct dns_place *place)
{
	const __u64 *words = (const void *)place;
	__u64 hash = place_seed;

	for (__u32 i = 0; i < sizeof(*place) / sizeof(*words); i++) {
		hash = (hash ^ words[i]) * 0x9e3779b97f4a7c15ULL;
		hash ^= hash >> 32;
	}
	/* 0 is a free place. */
	return hash | 1;
}

static __always_inline __u64 overflow_key(__u64 place, __u64 name, __u16 type)
{
	return (place ^ name) * 0x9e3779b97f4a7c15ULL ^ type;
}

static __always_inline struct dns_query *query_at(__u64 place, __u32 way)
{
	__u32 at = ((place >> 1) + way) & query_mask;

	return bpf_map_lookup_elem(&queries, &at);
}

/* Puts the message's query into the table; 0 if there is no room. */
__noinline int query_insert(__u32 message_number)
{
	struct dns_message *message = message_at(message_number);
	struct dns_query *from;
	__u64 key;

	if (!message)
		return 0;
	from = &message->query;
	for (__u32 way = 0; way < WAYS; way++) {
		struct dns_query *query = query_at(from->place, way);

		if (!query || !claim(&query->claims))
			continue;
		__builtin_memcpy((void *)query + 16, (const void *)from + 16, sizeof(*query) - 16);
		/* Now it can be found. */
		*(volatile __u64 *)&query->place = from->place;
		return 1;
	}
	key = overflow_key(from->place, from->name, from->record.query_type);
	from->claims = 1;
	if (bpf_map_update_elem(&queries_overflow, &key, from, BPF_NOEXIST))
		return 0;
	__sync_fetch_and_add(&queries_overflowed, 1);
	return 1;
}

static __always_inline bool answers(const struct dns_message *message, const struct dns_query *query)
{
	/* Who saw the answer without a socket has no cookie. */
	if (message->cookie && message->cookie != query->cookie)
		return false;
	if (message->netns && query->record.netns && message->netns != query->record.netns)
		return false;
	if (!message->name_length)
		return true;
	return message->name == query->name && message->query_type == query->record.query_type && message->query_class == query->record.query_class;
}

#define WAY_NONE WAYS

/*
 * The way to the oldest query that the message answers, or WAY_NONE: equal attempts are answered in their order. A number and not the query itself, so
 * that the verifier has one case to follow behind it.
 */
__noinline __u32 query_way(__u32 message_number)
{
	struct dns_message *message = message_at(message_number);
	__u64 place, oldest_ns = UNKNOWN_U64;
	__u32 found = WAY_NONE;

	if (!message)
		return WAY_NONE;
	place = hash_place(&message->place);
	for (__u32 way = 0; way < WAYS; way++) {
		struct dns_query *query = query_at(place, way);

		if (!query || query->place != place || query->asked_ns >= oldest_ns || !answers(message, query))
			continue;
		found = way;
		oldest_ns = query->asked_ns;
	}
	return found;
}

static __always_inline struct dns_query *query_find(const struct dns_message *message, __u32 message_number)
{
	__u32 way = query_way(message_number);
	__u64 place = hash_place(&message->place), key;
	struct dns_query *query;

	if (way != WAY_NONE)
		return query_at(place, way);
	if (!queries_overflowed || !message->name_length)
		return NULL;
	key = overflow_key(place, message->name, message->query_type);
	query = bpf_map_lookup_elem(&queries_overflow, &key);
	return query && query->place == place && answers(message, query) ? query : NULL;
}

/* Frees what was taken. In the overflow map `claims` stays as it is: the entry goes. */
static __always_inline void query_remove(struct dns_query *query)
{
	__u64 key = overflow_key(query->place, query->name, query->record.query_type);

	if (queries_overflowed) {
		struct dns_query *overflowed = bpf_map_lookup_elem(&queries_overflow, &key);

		if (overflowed == query) {
			if (!bpf_map_delete_elem(&queries_overflow, &key))
				__sync_fetch_and_add(&queries_overflowed, -1);
			return;
		}
	}
	*(volatile __u64 *)&query->place = 0;
	release(&query->claims, 2);
}

static __always_inline void fill_query(struct dns_message *message, __u32 message_number)
{
	struct dns_query *query = &message->query;
	struct dns_query_record *record = &query->record;

	query->place = hash_place(&message->place);
	query->name = message->name;
	query->cookie = message->cookie;
	query->asked_ns = message->now_ns;
	__builtin_memcpy(record->client_address, message->place.client_address, 32);
	record->client_port = message->place.client_port;
	record->server_port = message->place.server_port;
	record->message_id = message->place.message_id;
	record->side = message->place.side;
	record->transport = message->place.transport;
	record->query_type = message->query_type;
	record->query_class = message->query_class;
	record->response_code = UNKNOWN_U16;
	record->answer_count = UNKNOWN_U16;
	record->flags = message->question_count > 1 ? DNS_FLAG_SEVERAL_QUESTIONS : 0;
	record->name_length = message->name_length;
	__builtin_memcpy(record->name, message->bytes + DNS_HEADER_BYTES, sizeof(record->name));
	record->lookup_id = 0;
	record->attempt = 0;
	record->netns = 0;
	record->pid = 0;
	record->cgroup_id = 0;
	__builtin_memset(record->process_name, 0, PROCESS_NAME_LENGTH);
	record->revision = filters[generation()].revision;
	record->slots = candidate_slots(message, message_number);
}

static __always_inline void query_begins(struct dns_message *message, __u32 message_number)
{
	struct dns_query *query = &message->query;
	struct counters *c;

	message->place.side = message->egress ? SIDE_CLIENT : SIDE_RESOLVER;
	if (!filters[generation()].end_slots[message->place.side])
		return;
	fill_query(message, message_number);
	if (!query->record.slots)
		return;
	if (message->egress)
		lookup_begin(query, sender_of(&query->record, query->cookie));
	if (query_insert(message_number))
		return;
	c = counters();
	if (c)
		c->pending_table_full++;
}

/* RCODEs after which stub resolvers ask another server or again: SERVFAIL, NOTIMP, REFUSED. */
#define AGAIN_CODES (1U << 2 | 1U << 4 | 1U << 5)

/* `closed`: the answer came to a socket that was closed. */
static __always_inline void query_ends(struct dns_message *message, __u32 message_number, bool closed)
{
	struct dns_query *query;
	struct dns_query_record *record;
	struct counters *c;
	bool truncated = message->header_flags & DNS_FLAG_TC, late = closed;

	message->place.side = message->egress ? SIDE_RESOLVER : SIDE_CLIENT;
	query = query_find(message, message_number);
	if (!query || !take(&query->claims)) {
		c = counters();
		if (c && !closed)
			c->unsolicited++;
		return;
	}
	record = &query->record;
	record->observed_ns = message->now_ns;
	record->elapsed_ns = message->now_ns - query->asked_ns;
	record->response_code = message->response_code;
	record->answer_count = message->answer_count;
	if (truncated)
		record->flags |= DNS_FLAG_TRUNCATED;
	if (!message->name_length)
		record->flags |= DNS_FLAG_NO_QUESTION_IN_ANSWER;
	if (closed)
		record->flags |= DNS_FLAG_SOCKET_CLOSED;
	if (message->egress) {
		sender_of(record, query->cookie);
	} else if (!closed && lookup_answered(query, truncated || AGAIN_CODES >> (message->response_code & 15) & 1, message->now_ns)) {
		record->flags |= DNS_FLAG_ASKED_AGAIN;
		late = true;
	}
	record->outcome = late ? DNS_LATE : DNS_ANSWERED;
	emit(query);
	query_remove(query);
}

/* Ends by itself, for the verifier: at one place for all that have whole messages. */
__noinline int message_handle(__u32 message_number)
{
	struct dns_message *message = message_at(message_number);
	int verdict = message_read(message_number);
	struct counters *c;

	if (!message)
		return 0;
	/* Queries go to a DNS port, answers come from one; what does not is neither. */
	if (verdict == MESSAGE_QUERY && message->to_server) {
		query_begins(message, message_number);
	} else if (verdict == MESSAGE_ANSWER && !message->to_server) {
		query_ends(message, message_number, false);
	} else if (verdict == MESSAGE_MALFORMED) {
		c = counters();
		if (c)
			c->malformed++;
	}
	return 0;
}

#endif
