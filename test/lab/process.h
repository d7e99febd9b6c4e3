/* SPDX-License-Identifier: Apache-2.0 */
/* What every tool of the lab does to itself before it starts. */
#ifndef LAB_PROCESS_H
#define LAB_PROCESS_H

/* Prints what failed, and why by errno, and ends the process with status 1. */
void fail(const char *what) __attribute__((noreturn));

/* Enters the network namespace behind a path such as /proc/PID/ns/net. */
void enter_namespace(const char *path);

/* Takes a real-time priority below the relay's, where the host grants one. */
void take_precedence(void);

#endif
