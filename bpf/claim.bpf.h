/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Entries of arrays that several CPUs want: who has one is counted in its first word, `claims`; 0 = it is free. */
#ifndef SYNSCOPE_CLAIM_BPF_H
#define SYNSCOPE_CLAIM_BPF_H

#include <linux/types.h>
#include <stdbool.h>

/*
 * Takes a free entry. Compare-and-swap came with 5.12, and a program that contains one is refused before; an addition whose result is read afterwards
 * does as well: whoever reads 1 was alone. Two who come in the same nanoseconds may both read 2, and both go to the overflow map.
 */
static __always_inline bool claim(__u64 *claims)
{
	if (*(volatile __u64 *)claims)
		return false;
	__sync_fetch_and_add(claims, 1);
	if (*(volatile __u64 *)claims == 1)
		return true;
	__sync_fetch_and_add(claims, -1);
	return false;
}

/* The same a step further: takes what is claimed away from whoever put it there, for one of those who want it. */
static __always_inline bool take(__u64 *claims)
{
	if (*(volatile __u64 *)claims != 1)
		return false;
	__sync_fetch_and_add(claims, 1);
	if (*(volatile __u64 *)claims == 2)
		return true;
	__sync_fetch_and_add(claims, -1);
	return false;
}

static __always_inline void release(__u64 *claims, __u64 held)
{
	__sync_fetch_and_add(claims, -held);
}

#endif
