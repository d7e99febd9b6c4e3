// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
#include "filter.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../query_names.h"

/* What of a slot concerns the probe: its ends, outcomes and lists. */
struct criteria {
	__u32 ends;
	__u32 outcomes;
	struct {
		enum criterion criterion;
		const unsigned char *values; /* unaligned __u16 */
		size_t count;
	} lists[3];
	const unsigned char *prefixes;
	size_t prefix_count;
	bool query_names;
};

static struct criteria criteria_of(const struct slot *slot, enum probe probe)
{
	static const __u16 default_dns_port = DNS_PORT;
	const struct configure_slot *spec = &slot->spec;
	struct criteria criteria = {};

	switch (probe) {
	case PROBE_TCP_HANDSHAKE:
		return (struct criteria){
			.ends = spec->roles,
			.outcomes = spec->outcomes,
			.lists = {{CRITERION_REMOTE_PORT, slot->remote_ports, spec->remote_port_count},
				  {CRITERION_LOCAL_PORT, slot->local_ports, spec->local_port_count}},
			.prefixes = slot->remote_prefixes,
			.prefix_count = spec->remote_prefix_count,
		};
	case PROBE_DNS:
		criteria = (struct criteria){
			.ends = spec->dns_sides,
			.outcomes = spec->dns_outcomes,
			.lists = {{CRITERION_DNS_PORT, slot->dns_ports, spec->dns_port_count},
				  {CRITERION_QUERY_TYPE, slot->query_types, spec->query_type_count},
				  {CRITERION_RESPONSE_CODE, slot->response_codes, spec->response_code_count}},
			.prefixes = slot->dns_server_prefixes,
			.prefix_count = spec->dns_server_prefix_count,
			.query_names = true,
		};
		if (!spec->dns_port_count) {
			criteria.lists[0].values = (const unsigned char *)&default_dns_port;
			criteria.lists[0].count = 1;
		}
		return criteria;
	case PROBE_LISTENER:
		criteria.lists[0].criterion = CRITERION_LOCAL_PORT;
		criteria.lists[0].values = slot->local_ports;
		criteria.lists[0].count = spec->local_port_count;
		return criteria;
	case PROBE_NAME_LOOKUP:
		criteria.query_names = true;
		return criteria;
	}
	return criteria;
}

/* ORs the slot into the mask that the map holds under the key. */
static int add_slot(int map, const void *key, __u64 slot_bit)
{
	__u64 slots = 0;

	bpf_map_lookup_elem(map, key, &slots);
	slots |= slot_bit;
	return bpf_map_update_elem(map, key, &slots, BPF_ANY) ? -errno : 0;
}

static int install_values(int map, __u32 generation, enum criterion criterion, const unsigned char *values, size_t count, __u64 slot_bit)
{
	for (size_t i = 0; i < count; i++) {
		struct value_key key = {.generation = generation, .criterion = criterion};
		int error;

		memcpy(&key.value, values + i * sizeof(key.value), sizeof(key.value));
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
		const char *name = (const char *)slot->process_names + i * PROCESS_NAME_LENGTH;
		int error;

		/* NUL-padded, like what the kernel side compares with. */
		memcpy(key.name, name, strnlen(name, PROCESS_NAME_LENGTH - 1));
		error = add_slot(map, &key, slot_bit);
		if (error)
			return error;
	}
	return 0;
}

static int install_query_names(const struct filter_maps *maps, __u32 generation, const unsigned char *names, size_t count, bool suffix, __u64 slot_bit)
{
	for (size_t i = 0; i < count; i++) {
		struct query_name_key key = {.hash = maps->query_name_seed, .generation = generation, .suffix = suffix};
		const unsigned char *text = names + 1;
		int error;

		for (size_t at = names[0]; at--;)
			key.hash = query_name_step(key.hash, text[at]);
		error = add_slot(maps->query_name_slots, &key, slot_bit);
		if (error)
			return error;
		names = text + names[0];
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
static __u64 slots_covering(const struct slots *slots, enum probe probe, const unsigned char *prefix)
{
	__u64 covering = 0;

	for (__u32 s = 0; s < slots->count; s++) {
		struct criteria criteria = criteria_of(&slots->slot[s], probe);

		if (!slot_has_probe(&slots->slot[s], probe))
			continue;
		for (size_t i = 0; i < criteria.prefix_count; i++)
			if (covers(criteria.prefixes + i * sizeof(struct address_prefix), prefix))
				covering |= 1ULL << slots->slot[s].spec.slot;
	}
	return covering;
}

static int install_prefixes(int map, __u32 generation, const struct slots *slots, enum probe probe, const struct criteria *criteria)
{
	for (size_t i = 0; i < criteria->prefix_count; i++) {
		const unsigned char *prefix = criteria->prefixes + i * sizeof(struct address_prefix);
		struct prefix_key key = {.prefix_length = 8U + prefix[0], .generation = (__u8)generation};
		__u64 covering = slots_covering(slots, probe, prefix);

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

/* The criteria without a list, by which most slots are let through at once. */
static void open_criteria(struct filter *filter, const struct slot *slot, const struct criteria *criteria, __u64 bit)
{
	const struct configure_slot *spec = &slot->spec;

	for (__u32 end = 1; end < sizeof(filter->end_slots) / sizeof(filter->end_slots[0]); end++)
		if (!criteria->ends || criteria->ends & (1U << (end - 1)))
			filter->end_slots[end] |= bit;
	for (__u32 outcome = 1; outcome < sizeof(filter->outcome_slots) / sizeof(filter->outcome_slots[0]); outcome++)
		if (!criteria->outcomes || criteria->outcomes & (1U << (outcome - 1)))
			filter->outcome_slots[outcome] |= bit;
	filter->any_remote_port |= spec->remote_port_count ? 0 : bit;
	filter->any_local_port |= spec->local_port_count ? 0 : bit;
	filter->any_remote_prefix |= criteria->prefix_count ? 0 : bit;
	filter->any_process_name |= spec->process_name_count ? 0 : bit;
	filter->any_query_name |= spec->query_name_count || spec->query_name_suffix_count ? 0 : bit;
	filter->any_query_type |= spec->query_type_count ? 0 : bit;
	filter->any_response_code |= spec->response_code_count ? 0 : bit;
	filter->any_latency |= spec->min_latency_ns ? 0 : bit;
	filter->unsampled |= spec->sample_threshold == UNKNOWN_U32 ? bit : 0;
}

static int install_lists(const struct slots *slots, const struct slot *slot, enum probe probe, const struct criteria *criteria,
			 const struct filter_maps *maps, __u32 generation)
{
	const struct configure_slot *spec = &slot->spec;
	__u64 bit = 1ULL << spec->slot;
	int error = 0;

	for (size_t i = 0; !error && i < sizeof(criteria->lists) / sizeof(criteria->lists[0]); i++)
		error = install_values(maps->value_slots, generation, criteria->lists[i].criterion, criteria->lists[i].values, criteria->lists[i].count, bit);
	if (!error)
		error = install_process_names(maps->process_name_slots, generation, slot, bit);
	if (!error)
		error = install_prefixes(maps->prefix_slots, generation, slots, probe, criteria);
	if (!error && criteria->query_names)
		error = install_query_names(maps, generation, slot->query_names, spec->query_name_count, false, bit);
	if (!error && criteria->query_names)
		error = install_query_names(maps, generation, slot->query_name_suffixes, spec->query_name_suffix_count, true, bit);
	return error;
}

int filter_install(const struct slots *slots, enum probe probe, struct filter *filter, const struct filter_maps *maps, __u32 generation)
{
	struct bound latency[SLOT_COUNT], sample[SLOT_COUNT];
	size_t latency_count = 0, sample_count = 0;
	__u64 all = 0;

	memset(filter, 0, sizeof(*filter));
	filter->revision = slots->revision;
	for (__u32 i = 0; i < slots->count; i++) {
		const struct slot *slot = &slots->slot[i];
		const struct configure_slot *spec = &slot->spec;
		struct criteria criteria = criteria_of(slot, probe);
		__u64 bit = 1ULL << spec->slot;
		int error;

		if (!slot_has_probe(slot, probe))
			continue;
		all |= bit;
		open_criteria(filter, slot, &criteria, bit);
		if (spec->min_latency_ns)
			latency[latency_count++] = (struct bound){spec->min_latency_ns, bit};
		if (spec->sample_threshold != UNKNOWN_U32)
			sample[sample_count++] = (struct bound){spec->sample_threshold + 1ULL, bit};
		error = install_lists(slots, slot, probe, &criteria, maps, generation);
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

static bool value_is_of(const void *key, __u32 generation)
{
	return ((const struct value_key *)key)->generation == generation;
}

static bool prefix_is_of(const void *key, __u32 generation)
{
	return ((const struct prefix_key *)key)->generation == generation;
}

static bool process_name_is_of(const void *key, __u32 generation)
{
	return ((const struct process_name_key *)key)->generation == generation;
}

static bool query_name_is_of(const void *key, __u32 generation)
{
	return ((const struct query_name_key *)key)->generation == generation;
}

void filter_remove(const struct filter_maps *maps, __u32 generation)
{
	struct value_key value[2];
	struct prefix_key prefix[2];
	struct process_name_key process_name[2];
	struct query_name_key query_name[2];

	remove_generation(maps->value_slots, &value[0], &value[1], sizeof(value[0]), value_is_of, generation);
	remove_generation(maps->prefix_slots, &prefix[0], &prefix[1], sizeof(prefix[0]), prefix_is_of, generation);
	remove_generation(maps->process_name_slots, &process_name[0], &process_name[1], sizeof(process_name[0]), process_name_is_of, generation);
	if (maps->query_name_slots >= 0)
		remove_generation(maps->query_name_slots, &query_name[0], &query_name[1], sizeof(query_name[0]), query_name_is_of, generation);
}
