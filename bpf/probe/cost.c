// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
#include "cost.h"

#include <bpf/bpf.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include "clock.h"
#include "privilege.h"

/* Run times are kept while this descriptor is open, or the sysctl is set. */
static int statistics = -1;
static __u64 sample_ns, since_ns, sampled_ns;
static __u64 unloaded_run_time, unloaded_run_count;
static bool attached, sample_begun;

static bool run_times_are_kept(void)
{
	char value = '0';
	FILE *sysctl;

	if (statistics >= 0)
		return true;
	sysctl = fopen("/proc/sys/kernel/bpf_stats_enabled", "re");
	if (sysctl) {
		value = (char)fgetc(sysctl);
		fclose(sysctl);
	}
	return value == '1';
}

static void advance(void)
{
	__u64 now = clock_monotonic_ns();

	if (attached && run_times_are_kept())
		sampled_ns += now - since_ns;
	since_ns = now;
	if (statistics >= 0 && sampled_ns >= sample_ns) {
		close(statistics);
		statistics = -1;
	}
}

void cost_attached(__u32 sample_seconds)
{
	attached = true;
	since_ns = clock_monotonic_ns();
	if (sample_begun || !sample_seconds)
		return;
	sample_begun = true;
	sample_ns = sample_seconds * (__u64)NANOSECONDS_PER_SECOND;
	statistics = bpf_enable_stats(BPF_STATS_RUN_TIME);
	privilege_drop(false);
}

void cost_detaching(void)
{
	advance();
	attached = false;
}

static void add_run_times(struct bpf_program *const programs[], size_t count, __u64 *run_time, __u64 *run_count)
{
	for (size_t i = 0; i < count; i++) {
		int program = bpf_program__fd(programs[i]);
		struct bpf_prog_info info = {};
		__u32 size = sizeof(info);

		if (program < 0 || bpf_obj_get_info_by_fd(program, &info, &size))
			continue;
		*run_time += info.run_time_ns;
		*run_count += info.run_cnt;
	}
}

void cost_unloading(struct bpf_program *const programs[], size_t count)
{
	add_run_times(programs, count, &unloaded_run_time, &unloaded_run_count);
}

void cost_append(struct json *json, struct bpf_program *const programs[], size_t count)
{
	__u64 run_time = unloaded_run_time, run_count = unloaded_run_count;

	advance();
	if (!sampled_ns) {
		json_format(json, "\"bpf\":{\"runTimeNs\":null,\"runCount\":null,\"sampledNs\":null}");
		return;
	}
	add_run_times(programs, count, &run_time, &run_count);
	json_format(json, "\"bpf\":{\"runTimeNs\":%llu,\"runCount\":%llu,\"sampledNs\":%llu}", run_time, run_count, sampled_ns);
}
