// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Attaches empty.bpf.c to the cgroup v2 folder given and says "attached"; when stdin ends, prints {"runTimeNs":n,"runCount":n}: zeros without --measure. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "empty.skel.h"

int main(int count, char **arguments)
{
	int cgroup = count >= 2 ? open(arguments[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	bool measure = count == 3 && !strcmp(arguments[2], "--measure");
	struct empty_bpf *skeleton;
	struct bpf_prog_info info = {};
	__u32 size = sizeof(info);

	if (cgroup < 0) {
		fprintf(stderr, "Usage: empty CGROUP-FOLDER [--measure]\n");
		return 2;
	}
	skeleton = empty_bpf__open_and_load();
	if (!skeleton || (measure && bpf_enable_stats(BPF_STATS_RUN_TIME) < 0) || !bpf_program__attach_cgroup(skeleton->progs.empty, cgroup))
		return 1;
	printf("attached\n");
	fflush(stdout);
	while (getchar() != EOF)
		;
	if (bpf_obj_get_info_by_fd(bpf_program__fd(skeleton->progs.empty), &info, &size))
		return 1;
	printf("{\"runTimeNs\":%llu,\"runCount\":%llu}\n", info.run_time_ns, info.run_cnt);
	return 0;
}
