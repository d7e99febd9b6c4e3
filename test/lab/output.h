/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON lines on stdout that never block the caller: a reader that is slow must not delay the packets that are being measured.
 * Single-threaded use.
 */
#ifndef LAB_OUTPUT_H
#define LAB_OUTPUT_H

#include <stdbool.h>
#include <stdint.h>

/* Appends one line; dropped (and counted) if 16 MiB wait for the reader. */
void output_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Writes what stdout takes now. False: the reader has gone. */
bool output_flush(void);

/* Writes everything, however long the reader takes; without one the process ends by SIGPIPE. */
void output_drain(void);

/* Something waits for stdout to become writable. */
bool output_pending(void);

uint64_t output_dropped_lines(void);

#endif
