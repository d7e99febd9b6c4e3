/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The sessions' filters as the kernel programs and the loader share them. Never leaves the host. */
#ifndef SYNSCOPE_FILTER_H
#define SYNSCOPE_FILTER_H

#include "probe_wire.h"

/*
 * A step function over 64-bit values: at `value` the slots of the last step whose `from` is at most `value` apply. 128 steps = the
 * power of two above SLOT_COUNT + 1, so that the search is a fixed seven halvings. Unused steps have from = UNKNOWN_U64.
 */
#define STEP_COUNT 128
struct slot_step {
	__u64 from;
	__u64 slots;
};

/*
 * All sessions' filters, turned inside out: for each criterion the set of slots that it lets through, so that the cost of a record
 * does not grow with the number of sessions. Two generations: the loader fills the idle one and then flips `active_generation`.
 */
struct filter {
	__u32 revision;
	__u32 reserved;
	__u64 end_slots[3];                    /* by enum handshake_role, by enum dns_side; [1] of a probe that has but one end */
	__u64 outcome_slots[OUTCOME_LAST + 1]; /* by enum handshake_outcome or dns_outcome */
	/* Slots that do not restrict the criterion; the maps hold the others. */
	__u64 any_remote_port;
	__u64 any_local_port;
	__u64 any_remote_prefix;
	__u64 any_process_name;
	__u64 any_query_name;
	__u64 any_query_type;
	__u64 any_response_code;
	__u64 any_latency;
	__u64 unsampled;
	struct slot_step latency[STEP_COUNT]; /* over nanoseconds */
	struct slot_step sample[STEP_COUNT];  /* over a 32-bit hash of what both ends of a record know */
};

enum criterion {
	CRITERION_REMOTE_PORT = 1,
	CRITERION_LOCAL_PORT,
	CRITERION_DNS_PORT,
	CRITERION_QUERY_TYPE,
	CRITERION_RESPONSE_CODE,
};

struct value_key {
	__u32 generation;
	__u16 value;
	__u16 criterion; /* enum criterion */
};

struct prefix_key {
	__u32 prefix_length; /* bits of what follows: 8 for the generation + the address prefix */
	__u8 generation;
	__u8 address[16];
	__u8 reserved[3];
};

struct process_name_key {
	__u32 generation;
	char name[PROCESS_NAME_LENGTH];
};

/* Query names and their suffixes by hash, see query_names.bpf.h. */
struct query_name_key {
	__u64 hash;
	__u32 generation;
	__u32 suffix; /* 1: and everything below it */
};

#endif
