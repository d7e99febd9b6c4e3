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

/* What this thread has spent. */
static inline __u64 clock_cpu_ns(void)
{
	return (__u64)clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

/*
 * What turns a monotonic time into a wall time. The process can be interrupted between the two readings, so the pair that took least is
 * taken: the records of both ends of a handshake leave in two frames, and their times are compared.
 */
static inline __s64 clock_wall_offset_ns(void)
{
	__s64 offset = 0;
	__s64 least = 0;

	for (int i = 0; i < 8; i++) {
		__s64 before = clock_ns(CLOCK_MONOTONIC);
		__s64 wall = clock_ns(CLOCK_REALTIME);
		__s64 took = clock_ns(CLOCK_MONOTONIC) - before;

		if (i > 0 && took >= least)
			continue;
		least = took;
		offset = wall - before - took / 2;
		if (took < 1000)
			break;
	}
	return offset;
}

#endif
