// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
#include "slots.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Bits of configure_slot.probes. */
#define KNOWN_PROBES (1U << (PROBE_TCP_HANDSHAKE - 1) | 1U << (PROBE_DNS - 1) | 1U << (PROBE_LISTENER - 1) | 1U << (PROBE_NAME_LOOKUP - 1))

/* A name of DNS_NAME_LENGTH_MAX bytes, less the first length byte and the root. */
#define DNS_NAME_TEXT_MAX (DNS_NAME_LENGTH_MAX - 2)

static const char *complaint(const char *format, ...) __attribute__((format(printf, 1, 2)));

static const char *complaint(const char *format, ...)
{
	static char text[200];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	return text;
}

static const unsigned char *take(const unsigned char **at, const unsigned char *end, size_t length)
{
	const unsigned char *taken = *at;

	if ((size_t)(end - taken) < length)
		return NULL;
	*at += length;
	return taken;
}

static const char *parse_prefixes(const struct slot *slot, const char *list, const unsigned char *prefixes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (prefixes[i * sizeof(struct address_prefix)] > 128)
			return complaint("slot %u: %s[%zu].length is %u, more than 128", slot->spec.slot, list, i, prefixes[i * sizeof(struct address_prefix)]);
	return NULL;
}

/* Returns the end of the list, or NULL and sets *wrong. */
static const unsigned char *parse_names(const struct slot *slot, const char *list, const unsigned char *at, const unsigned char *end, size_t count, const char **wrong)
{
	for (size_t i = 0; i < count; i++) {
		const unsigned char *length = take(&at, end, 1);

		if (!length || !take(&at, end, *length)) {
			*wrong = complaint("slot %u: the payload ends inside its lists", slot->spec.slot);
			return NULL;
		}
		if (!*length || *length > DNS_NAME_TEXT_MAX) {
			*wrong = complaint("slot %u: %s[%zu] has %u bytes, not 1 to %d", slot->spec.slot, list, i, *length, DNS_NAME_TEXT_MAX);
			return NULL;
		}
	}
	return at;
}

static const char *parse_lists(struct slot *slot, const unsigned char **at, const unsigned char *end)
{
	const struct configure_slot *spec = &slot->spec;
	const struct {
		const unsigned char **list;
		size_t bytes;
	} lists[] = {
		{&slot->remote_ports, spec->remote_port_count * sizeof(__u16)},
		{&slot->local_ports, spec->local_port_count * sizeof(__u16)},
		{&slot->remote_prefixes, spec->remote_prefix_count * sizeof(struct address_prefix)},
		{&slot->process_names, spec->process_name_count * (size_t)PROCESS_NAME_LENGTH},
		{&slot->dns_ports, spec->dns_port_count * sizeof(__u16)},
		{&slot->dns_server_prefixes, spec->dns_server_prefix_count * sizeof(struct address_prefix)},
		{&slot->query_types, spec->query_type_count * sizeof(__u16)},
		{&slot->response_codes, spec->response_code_count * sizeof(__u16)},
	};
	const char *wrong;

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		*lists[i].list = take(at, end, lists[i].bytes);
		if (!*lists[i].list)
			return complaint("slot %u: the payload ends inside its lists", spec->slot);
	}
	slot->query_names = *at;
	slot->query_name_suffixes = parse_names(slot, "query_names", slot->query_names, end, spec->query_name_count, &wrong);
	if (!slot->query_name_suffixes)
		return wrong;
	*at = parse_names(slot, "query_name_suffixes", slot->query_name_suffixes, end, spec->query_name_suffix_count, &wrong);
	if (!*at)
		return wrong;
	wrong = parse_prefixes(slot, "remote_prefixes", slot->remote_prefixes, spec->remote_prefix_count);
	if (!wrong)
		wrong = parse_prefixes(slot, "dns_server_prefixes", slot->dns_server_prefixes, spec->dns_server_prefix_count);
	for (size_t i = 0; !wrong && i < spec->process_name_count; i++) {
		const unsigned char *name = slot->process_names + i * PROCESS_NAME_LENGTH;

		if (!name[0] || name[PROCESS_NAME_LENGTH - 1])
			wrong = complaint("slot %u: process_names[%zu] is empty, or longer than %d bytes", spec->slot, i, PROCESS_NAME_LENGTH - 1);
	}
	return wrong;
}

static const char *check_counts(const struct configure_slot *spec)
{
	const struct {
		const char *list;
		__u16 count, most;
	} counts[] = {
		{"remote_ports", spec->remote_port_count, SLOT_PORTS_MAX},
		{"local_ports", spec->local_port_count, SLOT_PORTS_MAX},
		{"remote_prefixes", spec->remote_prefix_count, SLOT_PREFIXES_MAX},
		{"process_names", spec->process_name_count, SLOT_PROCESS_NAMES_MAX},
		{"dns_ports", spec->dns_port_count, SLOT_DNS_PORTS_MAX},
		{"dns_server_prefixes", spec->dns_server_prefix_count, SLOT_PREFIXES_MAX},
		{"query_types", spec->query_type_count, SLOT_QUERY_TYPES_MAX},
		{"response_codes", spec->response_code_count, SLOT_RESPONSE_CODES_MAX},
		{"query_names", spec->query_name_count, SLOT_QUERY_NAMES_MAX},
		{"query_name_suffixes", spec->query_name_suffix_count, SLOT_QUERY_NAMES_MAX},
	};

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		if (counts[i].count > counts[i].most)
			return complaint("slot %u: %u %s, more than %u", spec->slot, counts[i].count, counts[i].list, counts[i].most);
	return NULL;
}

const char *slots_parse(struct slots *slots, const void *payload, size_t length)
{
	const unsigned char *at = payload, *end = at + length;
	const struct configure_header *header = (const void *)take(&at, end, sizeof(*header));
	__u64 seen = 0;

	if (!header)
		return complaint("the payload is shorter than its header");
	memset(slots, 0, sizeof(*slots));
	slots->revision = header->revision;
	if (header->slot_count > SLOT_COUNT)
		return complaint("slot_count is %u, more than %d", header->slot_count, SLOT_COUNT);
	for (; slots->count < header->slot_count; slots->count++) {
		struct slot *slot = &slots->slot[slots->count];
		const unsigned char *spec = take(&at, end, sizeof(slot->spec));
		const char *wrong;

		if (!spec)
			return complaint("the payload ends inside slot number %u", slots->count);
		memcpy(&slot->spec, spec, sizeof(slot->spec));
		if (slot->spec.slot >= SLOT_COUNT)
			return complaint("slot is %u, not below %d", slot->spec.slot, SLOT_COUNT);
		if (seen & (1ULL << slot->spec.slot))
			return complaint("slot %u is listed twice", slot->spec.slot);
		seen |= 1ULL << slot->spec.slot;
		if (!slot->spec.probes || slot->spec.probes & ~KNOWN_PROBES)
			return complaint("slot %u: probes is %#x, not a set of %#x", slot->spec.slot, slot->spec.probes, KNOWN_PROBES);
		wrong = check_counts(&slot->spec);
		if (!wrong)
			wrong = parse_lists(slot, &at, end);
		if (wrong)
			return wrong;
	}
	return at == end ? NULL : complaint("%zu bytes behind the last slot", (size_t)(end - at));
}

bool slots_want(const struct slots *slots, enum probe probe)
{
	for (__u32 i = 0; i < slots->count; i++)
		if (slot_has_probe(&slots->slot[i], probe))
			return true;
	return false;
}
