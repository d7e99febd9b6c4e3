// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
#define _GNU_SOURCE
#include "library_uprobes.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "library_finder.h"

/* For all processes, present and to come, that map the file. */
static int open_uprobe(int file, __u32 type, __u64 config, __u64 offset)
{
	char path[32];
	struct perf_event_attr attributes = {
		.size = sizeof(attributes),
		.type = type,
		.config = config,
		.uprobe_path = (__u64)(uintptr_t)path,
		.probe_offset = offset,
	};
	int uprobe;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	uprobe = (int)syscall(SYS_perf_event_open, &attributes, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);
	return uprobe < 0 ? -errno : uprobe;
}

static int send_uprobes(int socket, __u32 place, const int uprobes[2])
{
	struct finder_message message = {.kind = FINDER_FOUND, .place = place};
	struct iovec part = {.iov_base = &message, .iov_len = sizeof(message)};
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(2 * sizeof(int))];
	} control = {.header = {.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(2 * sizeof(int))}};
	struct msghdr envelope = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};

	memcpy(CMSG_DATA(&control.header), uprobes, 2 * sizeof(int));
	return sendmsg(socket, &envelope, MSG_NOSIGNAL) == sizeof(message) ? 0 : -errno;
}

int library_uprobes_send(int socket, __u32 place, const struct uprobe_type *type, int file, __u64 function_offset)
{
	int uprobes[2] = {open_uprobe(file, type->type, type->returns, function_offset), -1}, error = uprobes[0] < 0 ? uprobes[0] : 0;

	if (!error) {
		uprobes[1] = open_uprobe(file, type->type, 0, function_offset);
		error = uprobes[1] < 0 ? uprobes[1] : send_uprobes(socket, place, uprobes);
	}
	for (int i = 0; i < 2; i++)
		if (uprobes[i] >= 0)
			close(uprobes[i]);
	return error;
}
