/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#ifndef SYNSCOPE_PRIVILEGE_H
#define SYNSCOPE_PRIVILEGE_H

#include <stdbool.h>
#include <stddef.h>

bool privilege_has(int capability);
/*
 * Leaves the process with those of the needed capabilities that it holds, for good, also across execve(). Returns 0 or a negative errno.
 */
int privilege_narrow(const int *needed, size_t count);
/*
 * The same with the capabilities that attaching needs (CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN) and, if asked, CAP_SYS_ADMIN for the kernel's
 * BPF statistics.
 */
int privilege_drop(bool keep_sys_admin);
/* Makes tracefs visible to this process alone, where the host has not mounted it. Returns 0 or a negative errno. */
int privilege_mount_tracefs(void);

#endif
