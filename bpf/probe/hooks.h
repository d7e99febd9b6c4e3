/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Where in the kernel an observer's programs are attached: a table of hooks, in the order in which they are. */
#ifndef SYNSCOPE_HOOKS_H
#define SYNSCOPE_HOOKS_H

#include <bpf/libbpf.h>
#include <stdbool.h>
#include <stddef.h>

#include "output.h"

enum hook_place {
	HOOK_AS_ITS_SECTION_SAYS, /* tracepoints */
	HOOK_ON_CGROUP,           /* the cgroup whose sockets are watched */
	HOOK_OVER_ELEMENTS,       /* an iterator over `elements` */
};

struct hook {
	const char *name; /* as sessions report it */
	enum hook_place place;
	struct bpf_program *program;
	const struct bpf_map *elements;
	struct bpf_link *link; /* NULL = not attached */
	char unavailable[256]; /* why it cannot be had; empty = it can */
};

/* Before the load: does without it. */
void hook_leave_out(struct hook *hook, const char *reason);
/* Before the load: does without it where the kernel lacks the tracepoint, such as "tcp:tcp_receive_reset". */
void hook_needs_tracepoint(struct hook *hook, const char *tracepoint);

/* Attaches those of `wanted` (bit n: hook n) that can be had and are not attached. Returns NULL, or what failed; then none at all is attached. */
const char *hooks_attach(struct hook *hooks, size_t count, __u32 wanted, int cgroup_descriptor);
void hook_detach(struct hook *hook);
void hooks_detach(struct hook *hooks, size_t count, __u32 which);

/* Appends the names of the attached hooks, with a comma behind each. */
void hooks_append_names(const struct hook *hooks, size_t count, struct json *json);
/* Fills in their programs, each once; returns how many. */
size_t hooks_programs(const struct hook *hooks, size_t count, struct bpf_program *programs[], size_t room);

#define HOOK_BIT(n) (1U << (n))
#define HOOKS_ALL (~0U)

#endif
