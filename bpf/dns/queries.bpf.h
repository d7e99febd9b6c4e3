/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Queries without an answer yet, and how each of them ends in one record, once. */
#ifndef SYNSCOPE_DNS_QUERIES_BPF_H
#define SYNSCOPE_DNS_QUERIES_BPF_H

#include "../claim.bpf.h"
#include "lookups.bpf.h"
#include "message.bpf.h"
#include "records.bpf.h"
#include "senders.bpf.h"

/* Set by the loader before the load: far places of `queries`, a power of two, less one. */
const volatile __u32 query_mask = 32767;
/* A random number, so that nobody can choose queries that fall on one place. */
const volatile __u64 place_seed = 0;

/*
 * A query lies at one of 2 × WAYS places that its ends and id point to, WAYS behind each other among the first CLOSE_QUERIES and WAYS in the whole table;
 * so all that an answer without a question may answer are found. In: the query. Out: its answer, or dns_sweep. When all places are taken it goes to
 * the overflow map; when that is full it is counted.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, FAR_QUERIES_BEGIN + 32768);
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

/* How many are not among the first places, and how many in the overflow map: spares looking there, which nearly always is in vain. */
volatile __u64 queries_far = 0, queries_overflowed = 0;

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
	__u32 first = place >> 1, at;

	if (way < WAYS)
		at = first % CLOSE_QUERIES + way;
	else
		at = FAR_QUERIES_BEGIN + ((first / CLOSE_QUERIES + way) & query_mask);
	return bpf_map_lookup_elem(&queries, &at);
}

#define WAY_NONE (2 * WAYS)

/* A number and not the query itself, as below too, so that the verifier has one case to follow behind it: the way to a place that is now claimed. */
__noinline __u32 free_way(__u64 place)
{
	for (__u32 way = 0; way < WAY_NONE; way++) {
		struct dns_query *query = query_at(place, way);

		if (query && claim(&query->claims))
			return way;
	}
	return WAY_NONE;
}

static __always_inline bool overflow_insert(struct dns_query *from)
{
	__u64 key = overflow_key(from->place, from->name, from->record.query_type);

	from->claims = 1;
	if (bpf_map_update_elem(&queries_overflow, &key, from, BPF_NOEXIST))
		return false;
	__sync_fetch_and_add(&queries_overflowed, 1);
	return true;
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

/* The way to the oldest query that the message answers, or WAY_NONE: equal attempts are answered in their order. */
__noinline __u32 query_way(__u32 message_number)
{
	struct dns_message *message = message_at(message_number);
	__u64 place, oldest_ns = UNKNOWN_U64;
	__u32 found = WAY_NONE;
	struct dns_query *query;

	if (!message)
		return WAY_NONE;
	place = message->place_hash;
	for (__u32 way = 0; way < WAY_NONE; way++) {
		if (way == WAYS && !queries_far)
			break;

		query = query_at(place, way);
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
	__u64 place = message->place_hash, key;
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
	if (query->way >= WAYS)
		__sync_fetch_and_add(&queries_far, -1);
	*(volatile __u64 *)&query->place = 0;
	release(&query->claims, 2);
}

/* `place` stays 0 until the query is whole: nobody finds it before. */
static __always_inline void fill_query(struct dns_query *query, const struct dns_message *message)
{
	struct dns_query_record *record = &query->record;

	query->name = message->name;
	query->cookie = message->cookie;
	query->asked_ns = message->now_ns;
	query->lookup = 0;
	__builtin_memcpy(query->label_starts, message->label_starts, sizeof(query->label_starts));
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
}

static __always_inline bool leaves_sender(const struct dns_message *message)
{
	return message->egress && message->place.transport == TRANSPORT_UDP;
}

/* Makes the message's query at its place in the table or, if that has none, in the message. False if no session asks for it. */
static __always_inline bool make_query(struct dns_query *query, const struct dns_message *message, __u32 message_number)
{
	fill_query(query, message);
	query->record.slots = candidate_slots(query, message_number);
	if (!query->record.slots)
		return false;
	if (message->egress) {
		struct dns_sender *sender = sender_of(&query->record, query->cookie, message->now_ns, leaves_sender(message));

		lookup_begin(query, sender, message->place_hash);
	}
	return true;
}

/* When the table has no place. */
__noinline int query_overflows(__u32 message_number)
{
	struct dns_message *message = message_at(message_number);
	struct counters *c;

	if (!message || !make_query(&message->query, message, message_number))
		return 0;
	message->query.place = message->place_hash;
	if (overflow_insert(&message->query))
		return 0;
	c = counters();
	if (c)
		c->pending_table_full++;
	return 0;
}

static __always_inline void query_begins(struct dns_message *message, __u32 message_number)
{
	__u32 way = free_way(message->place_hash);
	struct dns_query *query;

	if (way == WAY_NONE) {
		query_overflows(message_number);
		return;
	}
	query = query_at(message->place_hash, way);
	if (!query)
		return;
	if (!make_query(query, message, message_number)) {
		release(&query->claims, 1);
		return;
	}
	query->way = way;
	if (way >= WAYS)
		__sync_fetch_and_add(&queries_far, 1);
	*(volatile __u64 *)&query->place = message->place_hash;
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

	query = query_find(message, message_number);
	if (query && !take(&query->claims))
		query = NULL;
	if (query && query->place != message->place_hash) {
		/* It ended, and another began at its place, this very moment. */
		release(&query->claims, 1);
		query = NULL;
	}
	if (!query) {
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
		sender_of(record, query->cookie, message->now_ns, leaves_sender(message));
	} else if (!closed && lookup_answered(query, truncated || AGAIN_CODES >> (message->response_code & 15) & 1, message->now_ns)) {
		record->flags |= DNS_FLAG_ASKED_AGAIN;
		late = true;
	}
	record->outcome = late ? DNS_LATE : DNS_ANSWERED;
	emit(query);
	query_remove(query);
}

/* Turns round what was taken for the way to the server, or from it. */
static __always_inline void turn_round(struct dns_message *message)
{
	struct dns_place *place = &message->place;
	__u8 client[16];
	__u16 port = place->client_port;

	__builtin_memcpy(client, place->client_address, 16);
	__builtin_memcpy(place->client_address, place->server_address, 16);
	__builtin_memcpy(place->server_address, client, 16);
	place->client_port = place->server_port;
	place->server_port = port;
	place->side = place->side == SIDE_CLIENT ? SIDE_RESOLVER : SIDE_CLIENT;
	message->to_server = !message->to_server;
}

/* Ends by itself, for the verifier: at one place for all that have whole messages. */
__noinline int message_handle(__u32 message_number)
{
	struct dns_message *message = message_at(message_number);
	int verdict = message_read(message_number);
	struct counters *c;

	if (!message)
		return 0;
	if (verdict == MESSAGE_QUERY || verdict == MESSAGE_ANSWER) {
		if (message->either_way && (verdict == MESSAGE_QUERY) != message->to_server)
			turn_round(message);
		message->place_hash = hash_place(&message->place);
	}
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
