/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#ifndef SYNSCOPE_URETPROBE_SAFETY_H
#define SYNSCOPE_URETPROBE_SAFETY_H

#include "library_scan.h"

/*
 * Whether programs with seccomp filters survive a probe on a function's return; tried out on a function of ours. On x86-64 the return goes through
 * a system call of its own (uretprobe(), from Linux 6.11 on), which a filter that does not know it answers with death: most services of systemd and most containers
 * have such filters. Kernels from 6.14 on, and stable ones of early 2025, keep it from the filters.
 */
bool uretprobe_is_safe(const struct uprobe_type *uprobe);

#endif
