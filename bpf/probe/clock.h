/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#ifndef SYNSCOPE_CLOCK_H
#define SYNSCOPE_CLOCK_H

#include <linux/types.h>
#include <time.h>

#define NANOSECONDS_PER_SECOND 1000000000LL

static inline __s64 clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec * NANOSECONDS_PER_SECOND + now.tv_nsec;
}

static inline __u64 clock_monotonic_ns(void)
{
	return (__u64)clock_ns(CLOCK_MONOTONIC);
}

/* What turns a monotonic time into a wall time. */
static inline __s64 clock_wall_offset_ns(void)
{
	__s64 monotonic = clock_ns(CLOCK_MONOTONIC);

	return clock_ns(CLOCK_REALTIME) - monotonic;
}

#endif
