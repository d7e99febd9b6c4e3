/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Frames to the agent, on stdout. */
#ifndef SYNSCOPE_OUTPUT_H
#define SYNSCOPE_OUTPUT_H

#include <linux/types.h>
#include <stdarg.h>
#include <stddef.h>

#include "../probe_wire.h"

/* Appends a record to the frame under way; writes the frame when it is full or of another type. */
void output_record(enum frame_type type, const void *record, size_t size);
/* Writes the frame of records under way, if it holds anything. */
void output_flush(void);

/*
 * A JSON payload under construction. Text arguments are escaped by json_string() alone; json_format() takes only what needs no
 * escaping. A payload that would outgrow the buffer is a bug and ends the probe.
 */
struct json {
	size_t length;
	char text[64 * 1024];
};

void json_begin(struct json *json);
void json_format(struct json *json, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The text quoted and escaped (RFC 8259 §7); bytes that are not ASCII become \u00XX, so the payload is valid UTF-8 whatever came in. */
void json_string(struct json *json, const char *text);
/* Drops a comma that ends the text, so that loops may write one behind every element. */
void json_drop_comma(struct json *json);
/* Flushes the records before it, then writes the payload as one frame. */
void output_json(enum frame_type type, const struct json *json);

void output_diagnostic(const char *severity, const char *code, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
