/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* DNS messages (RFC 1035 §4): read from whatever bytes, never beyond them. */
#ifndef SYNSCOPE_DNS_MESSAGE_BPF_H
#define SYNSCOPE_DNS_MESSAGE_BPF_H

#include "../claim.bpf.h"
#include "../dns.h"
#include "../query_names.bpf.h"

/*
 * Per CPU, and not one but several: a program that runs in a system call may be interrupted by one that receives a packet. In and out with each
 * message, by message_claim() and message_release().
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, MESSAGE_CONTEXTS);
	__type(key, __u32);
	__type(value, struct dns_message);
} messages SEC(".maps");

static __always_inline struct dns_message *message_at(__u32 at)
{
	return bpf_map_lookup_elem(&messages, &at);
}

/* Returns the number of a free one, or MESSAGE_CONTEXTS. */
static __always_inline __u32 message_claim(void)
{
	for (__u32 at = 0; at < MESSAGE_CONTEXTS; at++) {
		struct dns_message *message = message_at(at);

		if (message && claim(&message->claims))
			return at;
	}
	return MESSAGE_CONTEXTS;
}

static __always_inline void message_release(__u32 at)
{
	struct dns_message *message = message_at(at);

	if (message)
		release(&message->claims, 1);
}

#define DNS_FLAG_QR 0x8000
#define DNS_FLAG_TC 0x0200
#define DNS_OPCODE_MASK 0x7800 /* 0 = QUERY */
#define DNS_RCODE_MASK 0x000f
#define DNS_TYPE_OPT 41

/*
 * As much of `length` bytes as is looked at; 0 if that is no whole header. The barriers keep the compiler from joining the comparisons: the verifier
 * wants both bounds on the number that it sees used.
 */
static __always_inline __u64 message_part(__u32 length)
{
	__u64 part = length;

	__asm__ volatile("" : "+r"(part));
	if (part > DNS_MESSAGE_BYTES)
		part = DNS_MESSAGE_BYTES;
	__asm__ volatile("" : "+r"(part));
	return part < DNS_HEADER_BYTES ? 0 : part;
}

enum message_verdict {
	MESSAGE_MALFORMED,
	MESSAGE_QUERY,
	MESSAGE_ANSWER,
	MESSAGE_OTHER, /* another opcode: no query */
};

static __always_inline __u16 message_u16(const struct dns_message *message, __u32 at)
{
	/* Within `bytes` by its callers; the mask is for the verifier, which does not see it. */
	at &= 0x1ff;
	if (at > DNS_MESSAGE_BYTES - 2)
		return 0;
	return message->bytes[at] << 8 | message->bytes[at + 1];
}

/* A label takes two bytes at least, the root one. */
#define NAME_LABELS_MAX ((DNS_NAME_LENGTH_MAX - 1) / 2)

/*
 * The name at the start of the question section: its length, and where its labels begin. False if it is not whole or no name. A compression pointer
 * there has nothing but the header to point to (RFC 1035 §4.1.4 wants a prior occurrence), so it is no name either.
 */
static __always_inline bool read_name(struct dns_message *message)
{
	/* After the root's byte there must be room for type and class. */
	__u64 room = message->available - DNS_HEADER_BYTES - 4, at = 0;

	message->label_starts[0] = 0;
	message->label_starts[1] = 0;
	message->label_starts[2] = 0;
	message->label_starts[3] = 0;
	for (__u32 label = 0; label <= NAME_LABELS_MAX; label++) {
		__u64 length;

		if (at >= room || at >= DNS_NAME_LENGTH_MAX)
			return false;
		length = message->bytes[DNS_HEADER_BYTES + (at & 0xff)];
		if (!length) {
			message->name_length = at + 1;
			return true;
		}
		if (length > 63)
			return false;
		message->label_starts[at / 64 & 3] |= 1ULL << at % 64;
		at += length + 1;
	}
	return false;
}

#define EACH_BYTE(byte) (0x0101010101010101ULL * (byte))

/* Eight bytes at once: adding what is missing to 0x80 shows in the upper bit of each whether it is at least 'A', and beyond 'Z'. */
static __always_inline __u64 lower_case_word(__u64 word)
{
	__u64 low = word & EACH_BYTE(0x7f);
	__u64 letters = (low + EACH_BYTE(0x80 - 'A')) ^ (low + EACH_BYTE(0x7f - 'Z'));

	return word | (letters & ~word & EACH_BYTE(0x80)) >> 2;
}

/* Of the name in lower case, with the lengths of its labels, which are below 'A'. Both ends of a query come to the same number. */
static __always_inline __u64 hash_name(const struct dns_message *message)
{
	const __u64 *words = (const void *)(message->bytes + DNS_HEADER_BYTES);
	__u64 hash = 0, length = *(const volatile __u8 *)&message->name_length;

	for (__u32 at = 0; at < sizeof(message->query.record.name) / sizeof(*words); at++) {
		__u64 word, left = length - at * sizeof(*words);

		if (at * sizeof(*words) >= length)
			break;
		word = lower_case_word(words[at]);
		/* What lies behind the name in its last word is no part of it (little-endian). */
		if (left < sizeof(*words))
			word &= (1ULL << left % sizeof(*words) * 8) - 1;
		hash = (hash ^ word) * 0x9e3779b97f4a7c15ULL;
		hash ^= hash >> 32;
	}
	return hash;
}

/*
 * The upper bits of the response code (RFC 6891 §6.1.3), where the OPT record that holds them stands directly behind the question: in answers
 * without records, as BADVERS and BADCOOKIE are.
 */
static __always_inline __u16 extended_response_code(const struct dns_message *message)
{
	__u32 at = DNS_HEADER_BYTES + message->name_length + 4;
	__u16 code = message->header_flags & DNS_RCODE_MASK;

	if (message->answer_count || message_u16(message, 8) || !message_u16(message, 10) || message->question_count != 1)
		return code;
	if (at + DNS_OPT_BYTES > message->available || at > DNS_MESSAGE_BYTES - DNS_OPT_BYTES)
		return code;
	if (message->bytes[at] || message_u16(message, at + 1) != DNS_TYPE_OPT)
		return code;
	return code | message->bytes[at + 5] << 4;
}

/* Reads what `bytes` holds; returns an enum message_verdict. An answer without a question has no name (name_length 0). */
__noinline int message_read(__u32 message_number)
{
	struct dns_message *message = message_at(message_number);
	__u32 at;

	if (!message)
		return MESSAGE_OTHER;
	if (message->available < DNS_HEADER_BYTES)
		return MESSAGE_MALFORMED;
	message->place.message_id = message_u16(message, 0);
	message->header_flags = message_u16(message, 2);
	message->question_count = message_u16(message, 4);
	message->answer_count = message_u16(message, 6);
	message->name_length = 0;
	if (message->header_flags & DNS_OPCODE_MASK)
		return MESSAGE_OTHER;
	if (!message->question_count) {
		message->response_code = message->header_flags & DNS_RCODE_MASK;
		return message->header_flags & DNS_FLAG_QR ? MESSAGE_ANSWER : MESSAGE_MALFORMED;
	}
	if (message->available < DNS_HEADER_BYTES + 1 + 4 || !read_name(message))
		return MESSAGE_MALFORMED;
	message->name = hash_name(message);
	/* Read once more: what a loop has taught older verifiers of a number contradicts itself. */
	at = DNS_HEADER_BYTES + *(volatile __u8 *)&message->name_length;
	message->query_type = message_u16(message, at);
	message->query_class = message_u16(message, at + 2);
	if (!(message->header_flags & DNS_FLAG_QR))
		return MESSAGE_QUERY;
	message->response_code = extended_response_code(message);
	return MESSAGE_ANSWER;
}

#endif
