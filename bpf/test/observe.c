// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Attaches observe.bpf.c's programs to the cgroup v2 root in the order that its stdin asks for: a line "front" or "behind", each answered by
 * "ok"; "report" prints {"calls":[…],"replies":[…]} by sockops operation. Ends, detached, with its stdin.
 */
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "observe.skel.h"

static void print_array(const char *name, const __u32 *values, size_t count)
{
	printf("\"%s\":[", name);
	for (size_t i = 0; i < count; i++)
		printf("%s%u", i ? "," : "", values[i]);
	printf("]");
}

int main(int count, char **arguments)
{
	struct observe_bpf *skeleton;
	int cgroup = count == 2 ? open(arguments[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	char line[32];

	if (cgroup < 0) {
		fprintf(stderr, "Usage: observe CGROUP-FOLDER\n");
		return 2;
	}
	skeleton = observe_bpf__open_and_load();
	if (!skeleton)
		return 1;
	while (fgets(line, sizeof(line), stdin)) {
		struct bpf_link *link = (void *)-1L;

		if (!strcmp(line, "front\n"))
			link = bpf_program__attach_cgroup(skeleton->progs.in_front, cgroup);
		else if (!strcmp(line, "behind\n"))
			link = bpf_program__attach_cgroup(skeleton->progs.behind, cgroup);
		if (!link) {
			fprintf(stderr, "observe: cannot attach: %s\n", strerror(errno));
			return 1;
		}
		if (!strcmp(line, "report\n")) {
			printf("{");
			print_array("calls", skeleton->bss->calls, sizeof(skeleton->bss->calls) / sizeof(__u32));
			printf(",");
			print_array("replies", skeleton->bss->replies, sizeof(skeleton->bss->replies) / sizeof(__u32));
			printf("}\n");
		} else {
			printf("ok\n");
		}
		fflush(stdout);
	}
	return 0;
}
