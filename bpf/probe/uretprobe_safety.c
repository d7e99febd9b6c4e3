// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
#define _GNU_SOURCE
#include "uretprobe_safety.h"

#include <linux/filter.h>
#include <linux/perf_event.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* arch/x86/entry/syscalls/syscall_64.tbl; other architectures have no such call. */
#define URETPROBE_SYSTEM_CALL 335

/* What the probe is put on. */
static int __attribute__((noinline)) returning(int value)
{
	__asm__ volatile("" : "+r"(value));
	return value;
}

/* Where in our own file the code at the address is; 0 = not found. */
static __u64 file_offset(uintptr_t address)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned long long from, to, offset;
	char line[4400];
	__u64 found = 0;

	while (maps && !found && fgets(line, sizeof(line), maps))
		if (sscanf(line, "%llx-%llx %*4s %llx", &from, &to, &offset) == 3 && address >= from && address < to)
			found = offset + (address - from);
	if (maps)
		fclose(maps);
	return found;
}

/* With a filter that kills for this one call. */
static void __attribute__((noreturn)) return_under_filter(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, URETPROBE_SYSTEM_CALL, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {.len = sizeof(filter) / sizeof(filter[0]), .filter = filter};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		_exit(1);
	_exit(returning(0));
}

static bool survives(void)
{
	pid_t child = fork();
	int status;

	if (!child)
		return_under_filter();
	return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) && !WEXITSTATUS(status);
}

bool uretprobe_is_safe(const struct uprobe_type *uprobe)
{
#if defined(__x86_64__)
	struct perf_event_attr attributes = {
		.size = sizeof(attributes),
		.type = uprobe->type,
		.config = uprobe->returns,
		.uprobe_path = (__u64)(uintptr_t) "/proc/self/exe",
		.probe_offset = file_offset((uintptr_t)returning),
	};
	int event = (int)syscall(SYS_perf_event_open, &attributes, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);
	bool safe = event >= 0 && survives();

	if (event >= 0)
		close(event);
	return safe;
#else
	(void)uprobe;
	return true;
#endif
}
