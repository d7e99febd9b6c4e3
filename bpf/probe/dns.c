// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
#include "observer.h"

static void load(const struct environment *e) { (void)e; }
static void nothing(struct json *json) { (void)json; }
static void append_stats(struct json *json) { json_format(json, "\"offered\":0,\"emitted\":0,\"loss\":{}"); }
static const char *configure(const struct slots *slots) { return slots_want(slots, PROBE_DNS) ? "not built yet" : NULL; }
static bool attached(void) { return false; }
static void idle(void) {}
static size_t programs(struct bpf_program *p[], size_t room) { (void)p; (void)room; return 0; }

const struct observer dns_observer = {
	.probe = PROBE_DNS, .name = "dns", .load = load, .capabilities = nothing, .configure = configure, .attached = attached, .hooks = nothing,
	.consume = idle, .sweep = idle, .stats = append_stats, .programs = programs, .end = idle,
};
