/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#ifndef SYNSCOPE_LIBRARY_UPROBES_H
#define SYNSCOPE_LIBRARY_UPROBES_H

#include "library_scan.h"

/* Opens the uprobes on a function of a library and sends them as FINDER_FOUND. Returns 0 or a negative errno. */
int library_uprobes_send(int socket, __u32 place, const struct uprobe_type *type, int file, __u64 function_offset);

#endif
