/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * DNS over TCP: byte streams cut into messages (RFC 1035 §4.2.2: two bytes of length before each). A stream is followed from its first byte on, in
 * order; a gap, more messages in one segment than STREAM_STEPS_MAX / 2, or a connection older than the probe are not guessed at: the
 * stream is lost, and so are, counted, the queries on it.
 */
#ifndef SYNSCOPE_DNS_STREAMS_BPF_H
#define SYNSCOPE_DNS_STREAMS_BPF_H

#include "../dns.h"
#include "queries.bpf.h"

/* A message takes two steps at most: its length, then what is looked at of it; what is skipped, one. */
#define STREAM_STEPS_MAX 128

/*
 * By socket cookie, in sets of WAYS. In: the first data of a connection. Out: never by itself; whoever needs room takes the place of the stream of its
 * set that was used longest ago, whose unanswered queries then count as lost.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, STREAM_SETS * WAYS);
	__type(key, __u32);
	__type(value, struct dns_stream);
} streams SEC(".maps");

/* Its place, or STREAM_NONE: a number, so that the verifier has one case to follow behind it. */
#define STREAM_NONE (STREAM_SETS * WAYS)
__noinline __u32 stream_number(__u64 cookie)
{
	__u32 found = STREAM_NONE;

	for (__u32 way = 0; way < WAYS; way++) {
		__u32 at = (cookie % STREAM_SETS) * WAYS + way;
		struct dns_stream *stream = bpf_map_lookup_elem(&streams, &at);

		if (stream && stream->cookie == cookie)
			found = at;
	}
	return found;
}

static __always_inline struct dns_stream *stream_find(__u64 cookie)
{
	__u32 number = stream_number(cookie);

	return number == STREAM_NONE ? NULL : bpf_map_lookup_elem(&streams, &number);
}

static __always_inline struct dns_stream *stream_make(__u64 cookie)
{
	struct dns_stream *oldest = NULL;

	for (__u32 way = 0; way < WAYS; way++) {
		__u32 at = (cookie % STREAM_SETS) * WAYS + way;
		struct dns_stream *stream = bpf_map_lookup_elem(&streams, &at);

		if (stream && (!oldest || stream->used_ns < oldest->used_ns))
			oldest = stream;
	}
	if (!oldest)
		return NULL;
	oldest->halves[0].followed = oldest->halves[0].lost = 0;
	oldest->halves[1].followed = oldest->halves[1].lost = 0;
	oldest->cookie = cookie;
	return oldest;
}

/* Whether answers on the connection can be seen: of a query without one, that it has none. */
static __always_inline bool stream_in_step(__u64 cookie)
{
	struct dns_stream *stream = stream_find(cookie);

	return stream && !stream->halves[0].lost && !stream->halves[1].lost;
}

/* Where the first byte of the direction's data lies. */
static __always_inline bool at_beginning(struct __sk_buff *skb, __u32 sequence, bool egress)
{
	struct bpf_sock *socket = skb->sk;
	const volatile struct bpf_tcp_sock *tcp;
	__u64 received, acknowledged;
	__u32 next, unacknowledged;

	if (!socket)
		return false;
	socket = bpf_sk_fullsock(socket);
	if (!socket)
		return false;
	tcp = bpf_tcp_sock(socket);
	if (!tcp)
		return false;
	/* One by one, and volatile: the verifier lets no field be read at a computed offset. */
	received = tcp->bytes_received;
	acknowledged = tcp->bytes_acked;
	next = tcp->rcv_nxt;
	unacknowledged = tcp->snd_una;
	/* bytes_acked counts the SYN of a client. */
	return egress ? acknowledged <= 1 && sequence == unacknowledged : !received && sequence == next;
}

static __always_inline void stream_message(struct dns_stream_half *half, struct dns_message *message, __u32 number)
{
	message->available = half->have - 2;
	__builtin_memcpy(message->bytes, half->bytes + 2, DNS_MESSAGE_BYTES);
	/* The ends are the segment's. */
	message_handle(number);
}

/*
 * Takes the next part of a segment's payload, of which `left` bytes are at `offset`: the rest of a message that is skipped, the length of the next, or
 * as much of it as is looked at. Returns how many bytes it took.
 */
__noinline __u32 stream_step(struct __sk_buff *skb, __u32 offset, __u32 left, __u32 message_number)
{
	struct dns_message *message = message_at(message_number);
	struct dns_stream_half *half;
	struct dns_stream *stream;
	__u64 wanted, have, part;

	if (!message)
		return 0;
	stream = stream_find(message->cookie);
	if (!stream)
		return 0;
	half = &stream->halves[message->egress & 1];
	if (half->skip) {
		part = half->skip < left ? half->skip : left;
		half->skip -= part;
		return part;
	}
	have = half->have;
	wanted = 2;
	if (have >= 2)
		wanted += half->length < DNS_MESSAGE_BYTES ? half->length : DNS_MESSAGE_BYTES;
	part = wanted - have;
	if (part > left)
		part = left;
	/*
	 * The barriers keep what is compared in the register that is used: older verifiers know no more of its copies. Nor do they learn from "not 0"
	 * that a number is at least 1; hence the step down and up.
	 */
	part--;
	__asm__ volatile("" : "+r"(part));
	if (part >= STREAM_BYTES)
		return 0;
	__asm__ volatile("" : "+r"(part));
	part++;
	__asm__ volatile("" : "+r"(have));
	if (have >= STREAM_BYTES)
		return 0;
	if (bpf_skb_load_bytes(skb, offset, half->bytes + have, part))
		return 0;
	have += part;
	half->have = have;
	if (have < wanted)
		return part;
	if (have == 2) {
		half->length = half->bytes[0] << 8 | half->bytes[1];
		if (half->length < DNS_HEADER_BYTES) {
			struct counters *c = counters();

			if (c)
				c->malformed++;
			half->skip = half->length;
			half->have = 0;
		}
		return part;
	}
	stream_message(half, message, message_number);
	half->skip = half->length - (have - 2);
	half->have = 0;
	return part;
}

static __always_inline void stream_lose(struct dns_stream_half *half)
{
	half->lost = 1;
}

/* Takes a segment whose payload is at `offset`. */
__noinline int segment(struct __sk_buff *skb, __u32 offset, __u32 sequence, __u32 message_number)
{
	struct dns_message *message = message_at(message_number);
	__u32 length = skb->len - offset, seen;
	struct dns_stream_half *half;
	struct dns_stream *stream;
	bool egress;

	if (!message)
		return 0;
	egress = message->egress;
	stream = stream_find(message->cookie);
	if (!stream && at_beginning(skb, sequence, egress))
		stream = stream_make(message->cookie);
	if (!stream)
		return 0;
	stream->used_ns = message->now_ns;
	half = &stream->halves[egress & 1];
	if (half->lost)
		return 0;
	if (!half->followed) {
		if (!at_beginning(skb, sequence, egress)) {
			stream_lose(half);
			return 0;
		}
		half->followed = 1;
		half->next_sequence = sequence;
		half->skip = half->have = half->length = 0;
	}
	seen = half->next_sequence - sequence;
	if ((__s32)seen < 0) {
		stream_lose(half);
		return 0;
	}
	/* Retransmitted, wholly or in part. */
	if (seen >= length)
		return 0;
	offset += seen;
	length -= seen;
	half->next_sequence += length;
	for (__u32 step = 0; step < STREAM_STEPS_MAX && length; step++) {
		__u32 part = stream_step(skb, offset, length, message_number);

		if (!part || part > length)
			break;
		offset += part;
		length -= part;
	}
	if (length)
		stream_lose(half);
	return 0;
}

#endif
