/* SPDX-License-Identifier: Apache-2.0 */
#include "dns-behaviour.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* From the ranges for documentation, RFC 5737 and RFC 3849. */
#define ANSWER_IPV4 "192.0.2.53"
#define ANSWER_IPV6 "2001:db8::53"
/* A compression pointer to the question's name. */
#define QUESTION_POINTER 0xc00c
#define CNAMES_MAX 64

/* "d100" for the prefix "d": true, and the number. */
static bool has_number(const char *label, const char *prefix, uint32_t *number)
{
	size_t length = strlen(prefix);
	char *rest;

	if (strncmp(label, prefix, length) != 0 || label[length] < '0' || label[length] > '9')
		return false;
	*number = strtoul(label + length, &rest, 10);
	return *rest == '\0';
}

/* False: the label means nothing. */
static bool read_label(const char *label, struct dns_behaviour *behaviour)
{
	const struct {
		const char *label;
		bool *flag;
	} flags[] = {
		{ "silent", &behaviour->silent },	{ "tcponly", &behaviour->tcp_only },
		{ "tc", &behaviour->truncated },	{ "elsewhere", &behaviour->elsewhere },
		{ "twice", &behaviour->twice },		{ "otherquestion", &behaviour->other_question },
		{ "split", &behaviour->split },		{ "noquestion", &behaviour->no_question },
	};
	static const struct {
		const char *label;
		uint8_t code;
	} codes[] = {
		{ "servfail", DNS_RCODE_SERVFAIL },
		{ "nxdomain", DNS_RCODE_NXDOMAIN },
		{ "refused", DNS_RCODE_REFUSED },
	};

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if (strcmp(label, flags[i].label) == 0)
			return *flags[i].flag = true;
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		if (strcmp(label, codes[i].label) == 0) {
			behaviour->rcode = codes[i].code;
			return true;
		}
	}
	return has_number(label, "d", &behaviour->delay_ms) || has_number(label, "first", &behaviour->first_delay_ms) ||
	       has_number(label, "cname", &behaviour->cnames);
}

struct dns_behaviour dns_behaviour_of(const struct dns_question *question)
{
	struct dns_behaviour behaviour = { 0 };

	for (size_t at = 0; question->name[at] != 0; at += question->name[at] + 1) {
		char label[64] = "";

		memcpy(label, question->name + at + 1, question->name[at]);
		if (!read_label(label, &behaviour))
			break;
	}
	if (behaviour.cnames > CNAMES_MAX)
		behaviour.cnames = CNAMES_MAX;
	return behaviour;
}

/* One record with TTL 0, which no resolver in between keeps. Returns where its data begin in the message. */
static size_t write_record(uint8_t *message, size_t *length, uint16_t owner, uint16_t type, const void *data, uint16_t data_length)
{
	uint8_t *record = message + *length;

	memset(record, 0, 12);
	dns_put_u16(record, owner);
	dns_put_u16(record + 2, type);
	dns_put_u16(record + 4, 1); /* IN */
	dns_put_u16(record + 10, data_length);
	memcpy(record + 12, data, data_length);
	*length += 12 + data_length;
	return *length - data_length;
}

/* The chain of CNAMEs and the address behind it. Returns how many records that were. */
static uint16_t write_records(uint8_t *message, size_t *length, const struct dns_question *question, uint32_t cnames)
{
	uint16_t owner = QUESTION_POINTER, count = 0;
	uint8_t address[16];

	for (; count < cnames; count++) {
		uint8_t target[6] = { 3, 'c', '0' + count / 10, '0' + count % 10 };

		dns_put_u16(target + 4, QUESTION_POINTER);
		owner = 0xc000 | write_record(message, length, owner, DNS_TYPE_CNAME, target, sizeof(target));
	}
	if (question->type == DNS_TYPE_A) {
		inet_pton(AF_INET, ANSWER_IPV4, address);
		write_record(message, length, owner, DNS_TYPE_A, address, 4);
		count++;
	} else if (question->type == DNS_TYPE_AAAA) {
		inet_pton(AF_INET6, ANSWER_IPV6, address);
		write_record(message, length, owner, DNS_TYPE_AAAA, address, 16);
		count++;
	}
	return count;
}

size_t dns_write_answer(uint8_t *message, uint16_t id, const struct dns_question *question, const struct dns_behaviour *behaviour,
			bool tcp)
{
	bool truncated = behaviour->truncated && !tcp;
	struct dns_question other;
	size_t length;

	dns_parse_name("not-asked.test", &other);
	other.type = question->type;
	length = dns_write_query(message, id, behaviour->other_question ? &other : question);
	message[2] |= DNS_FLAG_RESPONSE | (truncated ? DNS_FLAG_TRUNCATED : 0);
	message[3] = 0x80 | behaviour->rcode; /* recursion available */
	if (behaviour->no_question) {
		dns_put_u16(message + 4, 0);
		return DNS_HEADER_SIZE;
	}
	if (behaviour->rcode == 0 && !truncated)
		dns_put_u16(message + 6, write_records(message, &length, question, behaviour->cnames));
	return length;
}
