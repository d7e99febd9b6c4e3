// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Attaches observe.bpf.c's programs to the cgroup v2 root in the order that its stdin asks for: a line "front" or "behind", each answered by
 * "ok"; "report" prints {"calls":[…],"replies":[…],"packets":[…],"packetHashes":[…],"callsToGivenPort":n}: by sockops operation, and by 2 × behind +
 * leaving. Ends, detached, with its stdin.
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
	printf("],");
}

static void report(const struct observe_bpf *skeleton)
{
	printf("{");
	print_array("calls", skeleton->bss->calls, sizeof(skeleton->bss->calls) / sizeof(__u32));
	print_array("replies", skeleton->bss->replies, sizeof(skeleton->bss->replies) / sizeof(__u32));
	print_array("packets", skeleton->bss->packets, sizeof(skeleton->bss->packets) / sizeof(__u32));
	print_array("packetHashes", skeleton->bss->packet_hashes, sizeof(skeleton->bss->packet_hashes) / sizeof(__u32));
	printf("\"callsToGivenPort\":%u}\n", skeleton->bss->calls_to_given_port);
}

/* Those whose names end so. */
static void attach(const struct observe_bpf *skeleton, int cgroup, const char *end)
{
	struct bpf_program *program;

	bpf_object__for_each_program(program, skeleton->obj) {
		const char *name = bpf_program__name(program);

		if (strcmp(name + strlen(name) - strlen(end), end))
			continue;
		if (!bpf_program__attach_cgroup(program, cgroup)) {
			fprintf(stderr, "observe: cannot attach %s: %s\n", name, strerror(errno));
			exit(1);
		}
	}
	printf("ok\n");
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
		if (!strcmp(line, "front\n"))
			attach(skeleton, cgroup, "front");
		else if (!strcmp(line, "behind\n"))
			attach(skeleton, cgroup, "behind");
		else
			report(skeleton);
		fflush(stdout);
	}
	return 0;
}
