/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * One look through the host's processes for C libraries, in a process of its own (library_finder.h). What it learns is in memory shared with the
 * probe; the libraries' uprobes come through a socket.
 */
#ifndef SYNSCOPE_LIBRARY_SCAN_H
#define SYNSCOPE_LIBRARY_SCAN_H

#include <linux/types.h>
#include <stdbool.h>

/* C libraries in use at the same time, at most: one for each image of the containers and one of the host. */
#define LIBRARIES_MAX 128
/* Remembered, so that each is looked into once. More are looked into at every scan. */
#define EXECUTABLES_MAX 4096
/* One, and another in the rare process that loads a second copy; no process can fill the places of all. */
#define LIBRARIES_PER_EXECUTABLE 2

enum library_state {
	LIBRARY_NONE,     /* a free place */
	LIBRARY_FOUND,    /* its uprobes are in the socket */
	LIBRARY_ATTACHED,
};

struct library {
	__u64 device; /* of the file, or of the file that overlayfs shows */
	__u64 inode;
	__u32 state; /* enum library_state */
	__u32 seen;  /* number of the last scan that found it in use */
};

/* A program file in a mount namespace: processes of it use the same libraries. */
struct executable {
	__u64 device;
	__u64 inode;
	__u64 mount_namespace;
	__u32 seen; /* number of the last scan that met it; 0 = a free place */
	__u8 looks; /* without a library: it may have been in its first moments */
	__u8 under_way; /* a scan that met its end here leaves it set */
	__u8 settled;
	__u8 library_count;
	__u8 libraries[LIBRARIES_PER_EXECUTABLE]; /* places in `libraries` */
};

struct discovery {
	__u32 scan; /* number of the scan under way or the last, from 1 */
	__u32 crowded; /* libraries of the last scan for which there was no place */
	__s32 uprobe_error; /* the last errno of opening one; 0 = none */
	struct library libraries[LIBRARIES_MAX];
	struct executable executables[EXECUTABLES_MAX];
};

struct uprobe_type {
	__u32 type;    /* of perf_event_attr */
	__u64 returns; /* perf_event_attr.config of a probe on the return */
};

/*
 * Looks through all processes if `everywhere` (which needs CAP_SYS_PTRACE, and CAP_CHECKPOINT_RESTORE or CAP_SYS_ADMIN), else for the
 * host's own libraries in their usual places.
 */
void library_scan(struct discovery *discovery, int socket, const char *function, const struct uprobe_type *uprobe, bool everywhere);

#endif
