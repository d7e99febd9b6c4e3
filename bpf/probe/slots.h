/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The agent's slots, parsed. */
#ifndef SYNSCOPE_SLOTS_H
#define SYNSCOPE_SLOTS_H

#include <stdbool.h>
#include <stddef.h>

#include "../probe_wire.h"

/* One slot with its lists; the pointers lead into the payload it was parsed from. */
struct slot {
	struct configure_slot spec;
	const unsigned char *remote_ports;        /* unaligned __u16 */
	const unsigned char *local_ports;         /* unaligned __u16 */
	const unsigned char *remote_prefixes;     /* struct address_prefix */
	const unsigned char *process_names;       /* PROCESS_NAME_LENGTH each */
	const unsigned char *dns_ports;           /* unaligned __u16 */
	const unsigned char *dns_server_prefixes; /* struct address_prefix */
	const unsigned char *query_types;         /* unaligned __u16 */
	const unsigned char *response_codes;      /* unaligned __u16 */
	const unsigned char *query_names;         /* a length byte before each */
	const unsigned char *query_name_suffixes; /* a length byte before each */
};

struct slots {
	__u32 revision;
	__u32 count;
	struct slot slot[SLOT_COUNT];
};

/* Returns NULL, or what is wrong with the payload: a sentence valid until the next call. */
const char *slots_parse(struct slots *slots, const void *payload, size_t length);

static inline bool slot_has_probe(const struct slot *slot, enum probe probe)
{
	return slot->spec.probes & (1U << (probe - 1));
}

bool slots_want(const struct slots *slots, enum probe probe);

#endif
