// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
#include "output.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "clock.h"

/* About 128 KiB: two pipe buffers' worth, so that a busy host pays few writes. */
#define FRAME_RECORDS_BYTES (128 * 1024)

/* The frame of records under way: one kind at a time, since nearly always one kind comes in long runs. */
static struct {
	struct frame_header frame;
	struct records_header header;
	char records[FRAME_RECORDS_BYTES];
} under_way;
static size_t record_bytes;

/* The agent is gone, or broken: without a reader the probe has no purpose, and the kernel detaches everything with its last descriptor. */
static void write_all(const void *bytes, size_t length)
{
	const char *at = bytes;

	while (length) {
		ssize_t written = write(STDOUT_FILENO, at, length);

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0) {
			fprintf(stderr, "synscope-probe: cannot write to the agent: %s\n", strerror(errno));
			exit(1);
		}
		at += written;
		length -= (size_t)written;
	}
}

void output_flush(void)
{
	if (!record_bytes)
		return;
	under_way.frame.length = (__u32)(sizeof(under_way.header) + record_bytes);
	under_way.header.wall_offset_ns = clock_wall_offset_ns();
	write_all(&under_way, sizeof(under_way.frame) + under_way.frame.length);
	record_bytes = 0;
}

void output_record(enum frame_type type, const void *record, size_t size)
{
	if (record_bytes + size > sizeof(under_way.records) || under_way.frame.type != type)
		output_flush();
	under_way.frame.type = (__u16)type;
	memcpy(under_way.records + record_bytes, record, size);
	record_bytes += size;
}

void json_begin(struct json *json)
{
	json->length = 0;
	json->text[0] = 0;
}

static void json_overflow(void)
{
	fprintf(stderr, "synscope-probe: a JSON payload outgrew its buffer\n");
	abort();
}

void json_format(struct json *json, const char *format, ...)
{
	size_t room = sizeof(json->text) - json->length;
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(json->text + json->length, room, format, arguments);
	va_end(arguments);
	if (length < 0 || (size_t)length >= room)
		json_overflow();
	json->length += (size_t)length;
}

void json_string(struct json *json, const char *text)
{
	json_format(json, "\"");
	for (const unsigned char *at = (const unsigned char *)text; *at; at++) {
		if (*at == '"' || *at == '\\')
			json_format(json, "\\%c", *at);
		else if (*at < 0x20 || *at >= 0x7f)
			json_format(json, "\\u%04x", *at);
		else
			json_format(json, "%c", *at);
	}
	json_format(json, "\"");
}

void json_drop_comma(struct json *json)
{
	if (json->length && json->text[json->length - 1] == ',')
		json->text[--json->length] = 0;
}

void output_json(enum frame_type type, const struct json *json)
{
	struct frame_header header = {.length = (__u32)json->length, .type = (__u16)type};

	output_flush();
	write_all(&header, sizeof(header));
	write_all(json->text, json->length);
}

void output_diagnostic(const char *severity, const char *code, const char *format, ...)
{
	static struct json json;
	char message[1024];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(message, sizeof(message), format, arguments);
	va_end(arguments);
	json_begin(&json);
	json_format(&json, "{\"severity\":\"%s\",\"code\":\"%s\",\"message\":", severity, code);
	json_string(&json, message);
	json_format(&json, "}");
	output_json(FRAME_DIAGNOSTIC, &json);
}
