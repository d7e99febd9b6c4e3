/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The hash by which names are compared with the sessions' names and suffixes, in the kernel and in the loader: over the text (labels joined by dots, no
 * final dot, in lower case) from its last byte to its first, so that the value at the start of each label is the hash of the suffix that begins
 * there. Seeded, so that nobody can choose names that collide.
 */
#ifndef SYNSCOPE_QUERY_NAMES_H
#define SYNSCOPE_QUERY_NAMES_H

#include <linux/types.h>

/* The 64-bit FNV prime (draft-eastlake-fnv). */
#define QUERY_NAME_FACTOR 0x100000001b3ULL

/* Without a branch: 32 is added to the 26 letters from 'A' on; anything else borrows in one subtraction or the other. */
static inline __attribute__((always_inline)) __u64 lower_case(__u64 byte)
{
	__u64 from_a = byte - 'A';

	return byte + ((((from_a - 26) & ~from_a) >> 63) << 5);
}

static inline __attribute__((always_inline)) __u64 query_name_step(__u64 hash, __u64 byte)
{
	return (hash ^ lower_case(byte)) * QUERY_NAME_FACTOR;
}

#endif
