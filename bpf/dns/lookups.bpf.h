/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Lookups: the queries that a stub resolver sends for one name: A and AAAA at once, each again when no answer comes, over TCP when it is truncated.
 *
 * Queries of one thread for one name belong together. A thread waits for its lookup before it begins the next, so a query is
 *   another attempt, if the thread (or the socket) has asked the same and is without an answer, or has one that makes resolvers ask again;
 *   the pair of an earlier one, if it is for the same name with another type while the lookup goes on;
 *   the beginning of another lookup otherwise.
 * Runtimes that ask for A and AAAA on two threads (Go) do so within a moment: PAIR_NS. A retry of theirs on another thread is a lookup of its own.
 */
#ifndef SYNSCOPE_DNS_LOOKUPS_BPF_H
#define SYNSCOPE_DNS_LOOKUPS_BPF_H

#include "../dns.h"
#include "senders.bpf.h"

#define LOOKUP_SETS 1024
#define LOOKUP_TYPES 3 /* A, AAAA, HTTPS */

/* Between an answer and the query for the other type; between an answer after which resolvers ask again, and that. */
#define CONTINUATION_NS 100000000ULL
#define AGAIN_NS 1000000000ULL
/* Between the first queries of two threads. */
#define PAIR_NS 5000000ULL
/* A lookup without answers is over: beyond it no stub resolver waits (resolv.conf(5): timeout at most 30 s). */
#define SILENCE_NS 30000000000ULL

/* No stub resolver asks again sooner (musl with timeout:1 attempts:10 after 100 ms); who does, asks for somebody else. */
#define RETRY_NS 50000000ULL

struct dns_lookup_question {
	__u32 asked;   /* the latest attempt, in ASKED_UNIT_NS */
	__u16 type;
	__u16 attempt; /* the latest; 0 = none */
};
#define ASKED_UNIT_NS 1000000ULL

/* One cache line. */
struct dns_lookup {
	struct bpf_spin_lock lock;
	__u8 waiting[LOOKUP_TYPES]; /* by question: queries without an answer */
	__u8 again; /* bit n: the latest answer to question n is one after which resolvers ask again */
	__u64 key; /* hash of who asks and the name */
	__u64 id;
	__u64 last_ns; /* query or answer */
	struct dns_lookup_question questions[LOOKUP_TYPES];
	__u64 reserved;
};

/*
 * By who asks and the name, in sets of WAYS. In: the first query of a lookup. Out: never by itself; whoever needs room takes the place of a lookup
 * that is over or, if all of its set go on, of the one that was silent longest: that costs its attempts their link, nothing else.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LOOKUP_SETS * WAYS);
	__type(key, __u32);
	__type(value, struct dns_lookup);
} lookups SEC(".maps");

/* `way`: in the lowest bits, which keys leave free. */
static __always_inline struct dns_lookup *lookup_at(__u64 key_and_way)
{
	__u32 at = (key_and_way >> 32 & (LOOKUP_SETS - 1)) * WAYS + (key_and_way & (WAYS - 1));

	return bpf_map_lookup_elem(&lookups, &at);
}

/* 2^64 / golden ratio. */
static __always_inline __u64 lookup_key(__u64 who, __u64 name)
{
	__u64 key = (who ^ name) * 0x9e3779b97f4a7c15ULL;

	return (key ^ key >> 29) & ~(WAYS - 1ULL);
}

static __always_inline bool goes_on(const struct dns_lookup *lookup, __u64 now)
{
	bool waiting = lookup->waiting[0] | lookup->waiting[1] | lookup->waiting[2];

	return now - lookup->last_ns < (waiting ? SILENCE_NS : lookup->again ? AGAIN_NS : CONTINUATION_NS);
}

/* The way of the key's lookup in its set or, if there is none, of the one that gives up its place. */
__noinline __u32 lookup_way(__u64 key, __u64 now)
{
	__u64 silent_since = UNKNOWN_U64;
	__u32 chosen = 0;

	for (__u32 way = 0; way < WAYS; way++) {
		struct dns_lookup *lookup = lookup_at(key | way);
		__u64 since;

		if (!lookup)
			break;
		if (lookup->key == key)
			return way;
		since = goes_on(lookup, now) ? lookup->last_ns : 0;
		if (since < silent_since) {
			silent_since = since;
			chosen = way;
		}
	}
	return chosen;
}

#define NO_QUESTION LOOKUP_TYPES

/* The question of the lookup that a query with the type continues, or NO_QUESTION. Nothing may be called under the lock; hence the loops over three. */
static __always_inline int question_of(const struct dns_lookup *lookup, __u16 type, __u64 now)
{
	int same = NO_QUESTION, unused = NO_QUESTION;

#pragma unroll
	for (int i = 0; i < LOOKUP_TYPES; i++) {
		if (!lookup->questions[i].attempt)
			unused = i;
		else if (lookup->questions[i].type == type)
			same = i;
	}
	if (same == NO_QUESTION)
		return unused;
	if (lookup->waiting[same])
		return (__u32)(now / ASKED_UNIT_NS) - lookup->questions[same].asked >= RETRY_NS / ASKED_UNIT_NS ? same : NO_QUESTION;
	return lookup->again >> same & 1 ? same : NO_QUESTION;
}

/* Adds the query to the lookup of its thread if it belongs there, else makes that a new lookup with `id`. Returns the attempt; *id becomes the lookup's. */
static __always_inline __u16 lookup_join(struct dns_lookup *lookup, __u64 key, __u16 type, __u64 now, __u64 *id)
{
	int question = NO_QUESTION;
	__u16 attempt;

	bpf_spin_lock(&lookup->lock);
	if (lookup->key == key && goes_on(lookup, now))
		question = question_of(lookup, type, now);
	if (question == NO_QUESTION) {
		lookup->key = key;
		lookup->id = *id;
		lookup->again = 0;
#pragma unroll
		for (int i = 0; i < LOOKUP_TYPES; i++) {
			lookup->waiting[i] = 0;
			lookup->questions[i].attempt = 0;
		}
		question = 0;
	}
	*id = lookup->id;
	lookup->last_ns = now;
	question &= 3;
	if (question < LOOKUP_TYPES) {
		lookup->again &= ~(1U << question);
		lookup->waiting[question]++;
		lookup->questions[question].type = type;
		lookup->questions[question].asked = now / ASKED_UNIT_NS;
		attempt = ++lookup->questions[question].attempt;
	} else {
		attempt = 0;
	}
	bpf_spin_unlock(&lookup->lock);
	return attempt;
}

/* The first query of a lookup, for the other thread of a pair to find within PAIR_NS: hence few. */
#define FIRST_QUERIES 256
struct dns_first_query {
	struct bpf_spin_lock lock;
	__u16 type;
	__u16 reserved;
	__u64 key; /* hash of the process and the name; 0 = it has its pair */
	__u64 id;
	__u64 asked_ns;
};

/* In: the first query of a lookup, in the place of whatever was there. Out: its pair. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, FIRST_QUERIES);
	__type(key, __u32);
	__type(value, struct dns_first_query);
} first_queries SEC(".maps");

/* The id of the lookup that another thread of the process has begun for the name this very moment; or else `id`, for the others to find. */
static __always_inline __u64 lookup_of_process(__u64 key, __u16 type, __u64 now, __u64 id)
{
	__u32 at = key >> 32 & (FIRST_QUERIES - 1);
	struct dns_first_query *first = bpf_map_lookup_elem(&first_queries, &at);

	if (!first)
		return id;
	bpf_spin_lock(&first->lock);
	if (first->key == key && now - first->asked_ns < PAIR_NS && first->type != type) {
		id = first->id;
		first->key = 0;
	} else {
		first->key = key;
		first->id = id;
		first->asked_ns = now;
		first->type = type;
	}
	bpf_spin_unlock(&first->lock);
	return id;
}

/* 52 bits, so that JSON numbers hold it; never 0. No two queries of a socket come in one nanosecond. */
static __always_inline __u64 new_lookup_id(const struct dns_query *query, __u64 place)
{
	__u64 id = (query->asked_ns ^ place) * 0x9e3779b97f4a7c15ULL;

	return (id ^ id >> 31) >> 12 | 1;
}

static __always_inline void lookup_begin(struct dns_query *query, const struct dns_sender *sender, __u64 place)
{
	__u64 who = sender ? sender->thread : query->cookie, id = new_lookup_id(query, place), own = id;
	__u64 key = lookup_key(who, query->name);
	struct dns_lookup *lookup;

	query->lookup = key | lookup_way(key, query->asked_ns);
	lookup = lookup_at(query->lookup);
	if (!lookup)
		return;
	query->record.attempt = lookup_join(lookup, key, query->record.query_type, query->asked_ns, &id);
	if (id == own && sender) {
		id = lookup_of_process(lookup_key(sender->pid, query->name), query->record.query_type, query->asked_ns, id);
		if (id != own) {
			bpf_spin_lock(&lookup->lock);
			if (lookup->id == own)
				lookup->id = id;
			bpf_spin_unlock(&lookup->lock);
		}
	}
	query->record.lookup_id = id;
}

/* Notes the answer; true if another attempt of the same question had been made before it. */
static __always_inline bool lookup_answered(const struct dns_query *query, bool again, __u64 now)
{
	struct dns_lookup *lookup = lookup_at(query->lookup);
	bool asked_again = false;

	if (!lookup)
		return false;
	bpf_spin_lock(&lookup->lock);
	if (lookup->key == (query->lookup & ~(WAYS - 1ULL)) && lookup->id == query->record.lookup_id) {
		lookup->last_ns = now;
#pragma unroll
		for (int i = 0; i < LOOKUP_TYPES; i++) {
			if (!lookup->questions[i].attempt || lookup->questions[i].type != query->record.query_type)
				continue;
			if (lookup->waiting[i])
				lookup->waiting[i]--;
			lookup->again = (lookup->again & ~(1U << i)) | (__u32)again << i;
			asked_again = lookup->questions[i].attempt > query->record.attempt;
		}
	}
	bpf_spin_unlock(&lookup->lock);
	return asked_again;
}

#endif
