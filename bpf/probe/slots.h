/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The agent's slots, parsed and turned into the kernel's filter. */
#ifndef SYNSCOPE_SLOTS_H
#define SYNSCOPE_SLOTS_H

#include <stddef.h>

#include "../handshake.h"

/* One slot with its lists; the pointers lead into the payload it was parsed from. */
struct slot {
	struct configure_slot spec;
	const unsigned char *remote_ports;    /* unaligned __u16 */
	const unsigned char *local_ports;     /* unaligned __u16 */
	const unsigned char *remote_prefixes; /* struct address_prefix */
	const char *process_names;            /* PROCESS_NAME_LENGTH each */
};

struct slots {
	__u32 revision;
	__u32 count;
	struct slot slot[SLOT_COUNT];
};

/* Returns NULL, or what is wrong with the payload: a sentence valid until the next call. */
const char *slots_parse(struct slots *slots, const void *payload, size_t length);

struct filter_maps {
	int port_slots;
	int prefix_slots;
	int process_name_slots;
};

/* Fills `filter` and the maps' entries of `generation`, which must be empty. Returns 0 or a negative errno. */
int slots_install(const struct slots *slots, struct filter *filter, const struct filter_maps *maps, __u32 generation);
/* Removes the maps' entries of `generation`. */
void slots_remove(const struct filter_maps *maps, __u32 generation);

#endif
