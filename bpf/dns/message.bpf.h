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

/*
 * Always 0, which the verifier does not know. What it knows of a number that steers a loop it tells apart, and follows each case by itself: a name of
 * 255 bytes would take more steps than it goes.
 */
volatile __u64 unknown_zero = 0;

/*
 * The name at the start of the question section: its length, hash, and where its labels begin. False if it is not whole or no name. A compression
 * pointer there has nothing but the header to point to (RFC 1035 §4.1.4 wants a prior occurrence), so it is no name either.
 */
static __always_inline bool read_name(struct dns_message *message)
{
	/* After the root's byte there must be room for type and class. */
	__u64 room = message->available - DNS_HEADER_BYTES - 4, unknown = unknown_zero, left = unknown, hash = 0;

	message->label_starts[0] = 0;
	message->label_starts[1] = 0;
	message->label_starts[2] = 0;
	message->label_starts[3] = 0;
	for (__u32 at = 0; at < DNS_NAME_LENGTH_MAX; at++) {
		__u64 byte = message->bytes[DNS_HEADER_BYTES + at];

		if (at >= room)
			return false;
		if (left) {
			left--;
		} else {
			if (!byte) {
				message->name = hash;
				message->name_length = at + 1;
				return true;
			}
			if (byte > 63)
				return false;
			left = byte + unknown;
			message->label_starts[at / 64] |= 1ULL << at % 64;
		}
		hash = query_name_step(hash, byte);
	}
	return false;
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
	at = DNS_HEADER_BYTES + message->name_length;
	message->query_type = message_u16(message, at);
	message->query_class = message_u16(message, at + 2);
	if (!(message->header_flags & DNS_FLAG_QR))
		return MESSAGE_QUERY;
	message->response_code = extended_response_code(message);
	return MESSAGE_ANSWER;
}

#endif
