// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Attaches programs of empty.bpf.c to the cgroup v2 folder given, its sockops program or those that see each packet, and says "attached"; when stdin
 * ends, prints {"runTimeNs":n,"runCount":n}: zeros without --measure.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "empty.skel.h"

int main(int count, char **arguments)
{
	int cgroup = count >= 3 ? open(arguments[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	bool packets = count >= 3 && !strcmp(arguments[2], "packets"), measure = count == 4 && !strcmp(arguments[3], "--measure");
	struct empty_bpf *skeleton;
	__u64 run_time_ns = 0, run_count = 0;
	struct bpf_program *program;

	if (cgroup < 0 || (!packets && strcmp(arguments[2], "sockops"))) {
		fprintf(stderr, "Usage: empty CGROUP-FOLDER sockops|packets [--measure]\n");
		return 2;
	}
	skeleton = empty_bpf__open_and_load();
	if (!skeleton || (measure && bpf_enable_stats(BPF_STATS_RUN_TIME) < 0))
		return 1;
	bpf_object__for_each_program(program, skeleton->obj)
		if (packets == (bpf_program__type(program) == BPF_PROG_TYPE_CGROUP_SKB) && !bpf_program__attach_cgroup(program, cgroup))
			return 1;
	printf("attached\n");
	fflush(stdout);
	while (getchar() != EOF)
		;
	bpf_object__for_each_program(program, skeleton->obj) {
		struct bpf_prog_info info = {};
		__u32 size = sizeof(info);

		if (bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &size))
			return 1;
		run_time_ns += info.run_time_ns;
		run_count += info.run_cnt;
	}
	printf("{\"runTimeNs\":%llu,\"runCount\":%llu}\n", run_time_ns, run_count);
	return 0;
}
