/* SPDX-License-Identifier: Apache-2.0 */
#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define OUTPUT_CAPACITY (16U << 20)
#define LINE_MAX_LENGTH 1024

static char buffer[OUTPUT_CAPACITY];
static size_t first, end;
static uint64_t dropped_lines;
static bool non_blocking;

void output_line(const char *format, ...)
{
	char line[LINE_MAX_LENGTH];
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(line, sizeof(line) - 1, format, arguments);
	va_end(arguments);
	if (length < 0 || length >= (int)sizeof(line) - 1) {
		dropped_lines++;
		return;
	}
	line[length++] = '\n';
	if (end + length > OUTPUT_CAPACITY && first > 0) {
		memmove(buffer, buffer + first, end - first);
		end -= first;
		first = 0;
	}
	if (end + length > OUTPUT_CAPACITY) {
		dropped_lines++;
		return;
	}
	memcpy(buffer + end, line, length);
	end += length;
}

bool output_flush(void)
{
	if (!non_blocking) {
		fcntl(STDOUT_FILENO, F_SETFL, fcntl(STDOUT_FILENO, F_GETFL) | O_NONBLOCK);
		non_blocking = true;
	}
	while (first < end) {
		ssize_t written = write(STDOUT_FILENO, buffer + first, end - first);

		if (written < 0)
			return errno == EAGAIN || errno == EINTR;
		first += written;
	}
	first = end = 0;
	return true;
}

void output_drain(void)
{
	struct pollfd descriptor = { .fd = STDOUT_FILENO, .events = POLLOUT };

	while (output_flush() && output_pending())
		poll(&descriptor, 1, -1);
}

bool output_pending(void)
{
	return first < end;
}

uint64_t output_dropped_lines(void)
{
	return dropped_lines;
}
