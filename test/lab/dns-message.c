/* SPDX-License-Identifier: Apache-2.0 */
#include "dns-message.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define CLASS_IN 1
#define LABEL_MAX 63

/* One byte of a name's text, \DDD counting as one. Returns what was used, 0 if it is broken. */
static size_t parse_byte(const char *text, uint8_t *byte)
{
	unsigned int value = 0;

	if (text[0] != '\\') {
		*byte = text[0];
		return 1;
	}
	for (int i = 1; i <= 3; i++) {
		if (!isdigit((unsigned char)text[i]))
			return 0;
		value = value * 10 + text[i] - '0';
	}
	*byte = value;
	return value > 255 ? 0 : 4;
}

bool dns_parse_name(const char *text, struct dns_question *question)
{
	size_t label = 0, end = 1; /* `label`: where the current one's length byte stands */

	memset(question->name, 0, sizeof(question->name));
	while (*text != '\0') {
		size_t used;

		if (*text == '.') {
			if (end == label + 1)
				return false;
			label = end++;
			text++;
			if (end > DNS_NAME_MAX)
				return false;
			continue;
		}
		if (end >= DNS_NAME_MAX - 1 || end - label > LABEL_MAX)
			return false;
		used = parse_byte(text, &question->name[end]);
		if (used == 0)
			return false;
		question->name[label] = end++ - label;
		text += used;
	}
	if (end > label + 1)
		end++; /* the root's length byte behind the last label */
	question->name[end - 1] = 0;
	question->name_length = end;
	question->class = CLASS_IN;
	return true;
}

void dns_describe_name(const struct dns_question *question, char *text, size_t size)
{
	size_t written = 0;

	text[0] = '\0';
	for (size_t label = 0; question->name[label] != 0; label += question->name[label] + 1) {
		if (label > 0)
			written += snprintf(text + written, size - written, ".");
		for (size_t i = 1; i <= question->name[label]; i++) {
			unsigned char byte = question->name[label + i];
			bool plain = byte < 128 && (isalnum(byte) || byte == '-' || byte == '_');

			written += snprintf(text + written, size - written, plain ? "%c" : "\\\\%03u", byte);
		}
	}
}

size_t dns_write_query(uint8_t *message, uint16_t id, const struct dns_question *question)
{
	uint8_t *behind_name = message + DNS_HEADER_SIZE + question->name_length;

	memset(message, 0, DNS_HEADER_SIZE);
	dns_put_u16(message, id);
	message[2] = DNS_FLAG_RECURSION_DESIRED;
	dns_put_u16(message + 4, 1);
	memcpy(message + DNS_HEADER_SIZE, question->name, question->name_length);
	dns_put_u16(behind_name, question->type);
	dns_put_u16(behind_name + 2, question->class);
	return DNS_HEADER_SIZE + question->name_length + 4;
}

bool dns_read_question(const uint8_t *message, size_t length, struct dns_question *question)
{
	size_t at = DNS_HEADER_SIZE;

	if (length < DNS_HEADER_SIZE || dns_get_u16(message + 4) == 0)
		return false;
	while (at < length && message[at] != 0) {
		if (message[at] > LABEL_MAX)
			return false;
		at += message[at] + 1;
	}
	question->name_length = at + 1 - DNS_HEADER_SIZE;
	if (at + 5 > length || question->name_length > DNS_NAME_MAX)
		return false;
	memset(question->name, 0, sizeof(question->name));
	memcpy(question->name, message + DNS_HEADER_SIZE, question->name_length);
	question->type = dns_get_u16(message + at + 1);
	question->class = dns_get_u16(message + at + 3);
	return true;
}

bool dns_same_question(const struct dns_question *one, const struct dns_question *other)
{
	return one->type == other->type && one->class == other->class && one->name_length == other->name_length &&
	       memcmp(one->name, other->name, one->name_length) == 0;
}
