/* SPDX-License-Identifier: Apache-2.0 */
/* As much of DNS (RFC 1035) as the lab's clients and servers speak. It shares nothing with the probe's parser, which it is a witness against. */
#ifndef LAB_DNS_MESSAGE_H
#define LAB_DNS_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DNS_NAME_MAX 255 /* bytes on the wire, RFC 1035 §2.3.4 */
#define DNS_HEADER_SIZE 12
/* A query with one question and no EDNS. */
#define DNS_QUERY_MAX (DNS_HEADER_SIZE + DNS_NAME_MAX + 4)
/* What the lab's servers answer at most. */
#define DNS_ANSWER_MAX 4096
/* Enough for dns_describe_name(): every byte as \\DDD. */
#define DNS_NAME_TEXT_SIZE (5 * DNS_NAME_MAX + 1)

#define DNS_TYPE_A 1
#define DNS_TYPE_CNAME 5
#define DNS_TYPE_AAAA 28

#define DNS_RCODE_SERVFAIL 2
#define DNS_RCODE_NXDOMAIN 3
#define DNS_RCODE_REFUSED 5

/* Of the header's third byte. */
#define DNS_FLAG_RESPONSE 0x80
#define DNS_FLAG_TRUNCATED 0x02
#define DNS_FLAG_RECURSION_DESIRED 0x01

struct dns_question {
	uint8_t name[DNS_NAME_MAX]; /* with the root's length byte */
	size_t name_length;
	uint16_t type, class;
};

/* Of presentation form, for example "www.example.com" or "a\027b.test"; false if that is no name. */
bool dns_parse_name(const char *text, struct dns_question *question);

/* Presentation form without the final dot, ready for a JSON string: what is not a letter, digit, "-" or "_" as \\DDD. */
void dns_describe_name(const struct dns_question *question, char *text, size_t size);

size_t dns_write_query(uint8_t *message, uint16_t id, const struct dns_question *question);

/* The first question; false if there is none or its name is compressed or broken. */
bool dns_read_question(const uint8_t *message, size_t length, struct dns_question *question);

bool dns_same_question(const struct dns_question *one, const struct dns_question *other);

static inline uint16_t dns_get_u16(const uint8_t *bytes)
{
	return bytes[0] << 8 | bytes[1];
}

static inline void dns_put_u16(uint8_t *bytes, uint16_t value)
{
	bytes[0] = value >> 8;
	bytes[1] = value & 0xff;
}

#endif
