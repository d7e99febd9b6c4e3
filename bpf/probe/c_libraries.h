/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The C libraries that the processes of this host use, found while somebody wants them: on the host and in its containers. */
#ifndef SYNSCOPE_C_LIBRARIES_H
#define SYNSCOPE_C_LIBRARIES_H

#include <stdbool.h>

/* What becomes of a library. `place` is below LIBRARIES_MAX of library_scan.h, and its own until the library is let go. */
struct c_library_user {
	const char *function; /* that the library exports */
	/* Takes over two uprobes (perf events) for all processes: on the function's return and on its call. Returns false if it could not, and closes them. */
	bool (*attach)(unsigned int place, int return_uprobe, int call_uprobe);
	void (*detach)(unsigned int place);
};

/* To be called before privileges are dropped. Returns NULL, or why no library can be attached to. */
const char *c_libraries_prepare(const struct c_library_user *user);
/* What keeps the search from seeing all libraries; empty = nothing does. */
const char *c_libraries_limit(void);
/* Begins to search, and waits a moment for what is there already. */
void c_libraries_begin(void);
/* About every second between begin and end: takes over what was found, searches again when it is time. */
void c_libraries_tick(void);
/* Lets every library go. */
void c_libraries_end(void);
/* Ends the search for good. */
void c_libraries_stop(void);
/* Libraries attached to. */
unsigned int c_libraries_count(void);

#endif
