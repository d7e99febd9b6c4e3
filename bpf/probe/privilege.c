// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
#define _GNU_SOURCE
#include "privilege.h"

#include <errno.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* In include/uapi/linux/capability.h since 5.8. */
#ifndef CAP_PERFMON
#define CAP_PERFMON 38
#define CAP_BPF 39
#endif

static int capabilities_get(struct __user_cap_data_struct data[2])
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};

	return syscall(SYS_capget, &header, data) ? -errno : 0;
}

bool privilege_has(int capability)
{
	struct __user_cap_data_struct data[2];

	return !capabilities_get(data) && data[CAP_TO_INDEX(capability)].effective & CAP_TO_MASK(capability);
}

int privilege_narrow(const int *needed, size_t count)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct held[2], data[2] = {};

	if (capabilities_get(held))
		return -errno;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	for (size_t i = 0; i < count; i++) {
		__u32 mask = CAP_TO_MASK(needed[i]) & held[CAP_TO_INDEX(needed[i])].permitted;

		data[CAP_TO_INDEX(needed[i])].permitted |= mask;
		data[CAP_TO_INDEX(needed[i])].effective |= mask;
	}
	/* The bounding set needs CAP_SETPCAP; without it an ordinary user's set is no way up under no_new_privs anyway. */
	if (privilege_has(CAP_SETPCAP))
		for (int capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; capability++)
			if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0))
				return -errno;
	return syscall(SYS_capset, &header, data) ? -errno : 0;
}

int privilege_drop(bool keep_sys_admin)
{
	static const int needed[] = {CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN, CAP_SYS_ADMIN};

	return privilege_narrow(needed, sizeof(needed) / sizeof(needed[0]) - !keep_sys_admin);
}

int privilege_mount_tracefs(void)
{
	struct stat events;

	if (!stat("/sys/kernel/tracing/events", &events) || !stat("/sys/kernel/debug/tracing/events", &events))
		return 0;
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("tracefs", "/sys/kernel/tracing", "tracefs", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY, NULL))
		return -errno;
	return 0;
}
