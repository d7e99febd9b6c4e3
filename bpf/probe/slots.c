// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
#include "slots.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static const char *parse_lists(struct slot *slot, const unsigned char **at, const unsigned char *end)
{
	const struct configure_slot *spec = &slot->spec;

	slot->remote_ports = take(at, end, spec->remote_port_count * sizeof(__u16));
	slot->local_ports = slot->remote_ports ? take(at, end, spec->local_port_count * sizeof(__u16)) : NULL;
	slot->remote_prefixes = slot->local_ports ? take(at, end, spec->remote_prefix_count * sizeof(struct address_prefix)) : NULL;
	slot->process_names = slot->remote_prefixes ? (const char *)take(at, end, spec->process_name_count * (size_t)PROCESS_NAME_LENGTH) : NULL;
	if (!slot->process_names)
		return complaint("slot %u: the payload ends inside its lists", spec->slot);
	for (size_t i = 0; i < spec->remote_prefix_count; i++) {
		__u8 bits = slot->remote_prefixes[i * sizeof(struct address_prefix)];

		if (bits > 128)
			return complaint("slot %u: remote_prefixes[%zu].length is %u, more than 128", spec->slot, i, bits);
	}
	for (size_t i = 0; i < spec->process_name_count; i++) {
		const char *name = slot->process_names + i * PROCESS_NAME_LENGTH;

		if (!name[0] || name[PROCESS_NAME_LENGTH - 1])
			return complaint("slot %u: process_names[%zu] is empty, or longer than %d bytes", spec->slot, i, PROCESS_NAME_LENGTH - 1);
	}
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
		if (slot->spec.remote_port_count > SLOT_PORTS_MAX || slot->spec.local_port_count > SLOT_PORTS_MAX)
			return complaint("slot %u: more than %d ports in a list", slot->spec.slot, SLOT_PORTS_MAX);
		if (slot->spec.remote_prefix_count > SLOT_PREFIXES_MAX)
			return complaint("slot %u: more than %d remote_prefixes", slot->spec.slot, SLOT_PREFIXES_MAX);
		if (slot->spec.process_name_count > SLOT_PROCESS_NAMES_MAX)
			return complaint("slot %u: more than %d process_names", slot->spec.slot, SLOT_PROCESS_NAMES_MAX);
		wrong = parse_lists(slot, &at, end);
		if (wrong)
			return wrong;
	}
	return at == end ? NULL : complaint("%zu bytes behind the last slot", (size_t)(end - at));
}

/* ORs the slot into the mask that the map holds under the key. */
static int add_slot(int map, const void *key, __u64 slot_bit)
{
	__u64 slots = 0;

	bpf_map_lookup_elem(map, key, &slots);
	slots |= slot_bit;
	return bpf_map_update_elem(map, key, &slots, BPF_ANY) ? -errno : 0;
}

static int install_ports(int map, __u32 generation, const unsigned char *ports, size_t count, bool remote, __u64 slot_bit)
{
	for (size_t i = 0; i < count; i++) {
		struct port_key key = {.generation = generation, .remote = remote};
		int error;

		memcpy(&key.port, ports + i * sizeof(key.port), sizeof(key.port));
		error = add_slot(map, &key, slot_bit);
		if (error)
			return error;
	}
	return 0;
}

static int install_process_names(int map, __u32 generation, const struct slot *slot, __u64 slot_bit)
{
	for (size_t i = 0; i < slot->spec.process_name_count; i++) {
		struct process_name_key key = {.generation = generation};
		int error;

		/* NUL-padded, like what the kernel side compares with. */
		strncpy(key.name, slot->process_names + i * PROCESS_NAME_LENGTH, PROCESS_NAME_LENGTH - 1);
		error = add_slot(map, &key, slot_bit);
		if (error)
			return error;
	}
	return 0;
}

static bool covers(const unsigned char *outer, const unsigned char *inner)
{
	__u8 bits = outer[0], whole = bits / 8, rest = bits % 8;

	if (bits > inner[0] || memcmp(outer + 1, inner + 1, whole))
		return false;
	return !rest || !((outer[1 + whole] ^ inner[1 + whole]) >> (8 - rest));
}

/* The kernel finds the longest prefix only; so each carries the slots of all that cover it. */
static __u64 slots_covering(const struct slots *slots, const unsigned char *prefix)
{
	__u64 covering = 0;

	for (__u32 s = 0; s < slots->count; s++)
		for (size_t i = 0; i < slots->slot[s].spec.remote_prefix_count; i++)
			if (covers(slots->slot[s].remote_prefixes + i * sizeof(struct address_prefix), prefix))
				covering |= 1ULL << slots->slot[s].spec.slot;
	return covering;
}

static int install_prefixes(int map, __u32 generation, const struct slots *slots, const struct slot *slot)
{
	for (size_t i = 0; i < slot->spec.remote_prefix_count; i++) {
		const unsigned char *prefix = slot->remote_prefixes + i * sizeof(struct address_prefix);
		struct prefix_key key = {.prefix_length = 8U + prefix[0], .generation = (__u8)generation};
		__u64 covering = slots_covering(slots, prefix);

		memcpy(key.address, prefix + 1, sizeof(key.address));
		if (bpf_map_update_elem(map, &key, &covering, BPF_ANY))
			return -errno;
	}
	return 0;
}

struct bound {
	__u64 from; /* the slot is let through from this value on, or (see install_steps) up to it */
	__u64 slot_bit;
};

static int by_from(const void *a, const void *b)
{
	__u64 left = ((const struct bound *)a)->from, right = ((const struct bound *)b)->from;

	return left < right ? -1 : left > right;
}

/* Steps at which the slots of `bounds` flip, beginning with `slots` at 0. */
static void install_steps(struct slot_step steps[STEP_COUNT], struct bound *bounds, size_t count, __u64 slots)
{
	size_t last = 0;

	for (size_t i = 0; i < STEP_COUNT; i++)
		steps[i] = (struct slot_step){.from = UNKNOWN_U64};
	steps[0] = (struct slot_step){.from = 0, .slots = slots};
	qsort(bounds, count, sizeof(*bounds), by_from);
	for (size_t i = 0; i < count; i++) {
		slots ^= bounds[i].slot_bit;
		if (bounds[i].from != steps[last].from)
			last++;
		steps[last] = (struct slot_step){.from = bounds[i].from, .slots = slots};
	}
}

int slots_install(const struct slots *slots, struct filter *filter, const struct filter_maps *maps, __u32 generation)
{
	struct bound latency[SLOT_COUNT], sample[SLOT_COUNT];
	size_t latency_count = 0, sample_count = 0;
	__u64 all = 0;

	memset(filter, 0, sizeof(*filter));
	filter->revision = slots->revision;
	for (__u32 i = 0; i < slots->count; i++) {
		const struct slot *slot = &slots->slot[i];
		const struct configure_slot *spec = &slot->spec;
		__u64 bit = 1ULL << spec->slot;
		int error = 0;

		all |= bit;
		for (__u32 role = ROLE_CLIENT; role <= ROLE_SERVER; role++)
			if (!spec->roles || spec->roles & (1U << (role - 1)))
				filter->role_slots[role] |= bit;
		for (__u32 outcome = OUTCOME_ESTABLISHED; outcome <= OUTCOME_LAST; outcome++)
			if (!spec->outcomes || spec->outcomes & (1U << (outcome - 1)))
				filter->outcome_slots[outcome] |= bit;
		filter->any_remote_port |= spec->remote_port_count ? 0 : bit;
		filter->any_local_port |= spec->local_port_count ? 0 : bit;
		filter->any_remote_prefix |= spec->remote_prefix_count ? 0 : bit;
		filter->any_process_name |= spec->process_name_count ? 0 : bit;
		filter->any_latency |= spec->min_latency_ns ? 0 : bit;
		filter->unsampled |= spec->sample_threshold == UNKNOWN_U32 ? bit : 0;
		if (spec->min_latency_ns)
			latency[latency_count++] = (struct bound){spec->min_latency_ns, bit};
		if (spec->sample_threshold != UNKNOWN_U32)
			sample[sample_count++] = (struct bound){spec->sample_threshold + 1ULL, bit};
		error = install_ports(maps->port_slots, generation, slot->remote_ports, spec->remote_port_count, true, bit);
		if (!error)
			error = install_ports(maps->port_slots, generation, slot->local_ports, spec->local_port_count, false, bit);
		if (!error)
			error = install_process_names(maps->process_name_slots, generation, slot, bit);
		if (!error)
			error = install_prefixes(maps->prefix_slots, generation, slots, slot);
		if (error)
			return error;
	}
	install_steps(filter->latency, latency, latency_count, filter->any_latency);
	install_steps(filter->sample, sample, sample_count, all);
	return 0;
}

/* Deletes while walking: a deleted cursor makes get_next_key begin again, so the walk steps ahead before it deletes. */
static void remove_generation(int map, void *key, void *next, size_t key_size, bool (*is_of)(const void *key, __u32 generation), __u32 generation)
{
	bool more = !bpf_map_get_next_key(map, NULL, next);

	while (more) {
		memcpy(key, next, key_size);
		more = !bpf_map_get_next_key(map, key, next);
		if (is_of(key, generation))
			bpf_map_delete_elem(map, key);
	}
}

static bool port_is_of(const void *key, __u32 generation)
{
	return ((const struct port_key *)key)->generation == generation;
}

static bool prefix_is_of(const void *key, __u32 generation)
{
	return ((const struct prefix_key *)key)->generation == generation;
}

static bool process_name_is_of(const void *key, __u32 generation)
{
	return ((const struct process_name_key *)key)->generation == generation;
}

void slots_remove(const struct filter_maps *maps, __u32 generation)
{
	struct port_key port[2];
	struct prefix_key prefix[2];
	struct process_name_key name[2];

	remove_generation(maps->port_slots, &port[0], &port[1], sizeof(port[0]), port_is_of, generation);
	remove_generation(maps->prefix_slots, &prefix[0], &prefix[1], sizeof(prefix[0]), prefix_is_of, generation);
	remove_generation(maps->process_name_slots, &name[0], &name[1], sizeof(name[0]), process_name_is_of, generation);
}
