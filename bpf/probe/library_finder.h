/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * A child of the probe that looks for libraries in all processes and opens uprobes on them, with the capabilities for that, which the probe itself
 * gives up. It takes no argument from the probe but "look", and does each look in a child of its own that may crash or hang on files of other
 * people's containers without harm.
 */
#ifndef SYNSCOPE_LIBRARY_FINDER_H
#define SYNSCOPE_LIBRARY_FINDER_H

#include "library_scan.h"

/* A look takes milliseconds; one that takes so long waits for a file system that does not answer. */
#define SCAN_DEADLINE_MILLISECONDS 5000

enum finder_message_kind {
	FINDER_FOUND = 1, /* a library, with two descriptors: the uprobe on the function's return and that on its call */
	FINDER_COMPLETE,  /* the look has ended */
	FINDER_STUCK,     /* the look was ended at its deadline, or has crashed */
};

struct finder_message {
	__u32 kind;
	__u32 place; /* FINDER_FOUND: in `libraries` */
};

/* Returns the socket for one-byte requests and their messages, or a negative errno. */
int library_finder_start(struct discovery *discovery, const char *function, const struct uprobe_type *uprobe, bool everywhere);
void library_finder_end(int socket);

#endif
