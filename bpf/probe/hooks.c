// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
#include "hooks.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "object.h"

void hook_leave_out(struct hook *hook, const char *reason)
{
	snprintf(hook->unavailable, sizeof(hook->unavailable), "%s", reason);
	bpf_program__set_autoload(hook->program, false);
}

void hook_needs_tracepoint(struct hook *hook, const char *tracepoint)
{
	char reason[128];

	if (libbpf_find_vmlinux_btf_id(strchr(tracepoint, ':') + 1, BPF_TRACE_RAW_TP) >= 0)
		return;
	snprintf(reason, sizeof(reason), "this kernel has no tracepoint %s", tracepoint);
	hook_leave_out(hook, reason);
}

static struct bpf_link *attach(const struct hook *hook, int cgroup_descriptor)
{
	switch (hook->place) {
	case HOOK_ON_CGROUP:
		return bpf_program__attach_cgroup(hook->program, cgroup_descriptor);
	case HOOK_OVER_ELEMENTS:
		return object_attach_to_elements(hook->program, hook->elements);
	default:
		return bpf_program__attach(hook->program);
	}
}

const char *hooks_attach(struct hook *hooks, size_t count, __u32 wanted, int cgroup_descriptor)
{
	static char complaint[600];

	object_forget_complaint();
	for (size_t i = 0; i < count; i++) {
		struct hook *hook = &hooks[i];

		if (hook->link || *hook->unavailable || !(wanted & HOOK_BIT(i)))
			continue;
		hook->link = attach(hook, cgroup_descriptor);
		if (hook->link)
			continue;
		snprintf(complaint, sizeof(complaint), "cannot attach %s: %s (%s)", hook->name, strerror(errno), object_complaint());
		hooks_detach(hooks, count, HOOKS_ALL);
		return complaint;
	}
	return NULL;
}

void hook_detach(struct hook *hook)
{
	bpf_link__destroy(hook->link);
	hook->link = NULL;
}

void hooks_detach(struct hook *hooks, size_t count, __u32 which)
{
	/* Those that make the entries which the others finish are last. */
	for (size_t i = count; i--;)
		if (which & HOOK_BIT(i))
			hook_detach(&hooks[i]);
}

void hooks_append_names(const struct hook *hooks, size_t count, struct json *json)
{
	for (size_t i = 0; i < count; i++)
		if (hooks[i].link)
			json_format(json, "\"%s\",", hooks[i].name);
}

size_t hooks_programs(const struct hook *hooks, size_t count, struct bpf_program *programs[], size_t room)
{
	size_t filled = 0;

	for (size_t i = 0; i < count && filled < room; i++)
		/* One program over two maps is one program; the table has them side by side. */
		if (!i || hooks[i].program != hooks[i - 1].program)
			programs[filled++] = hooks[i].program;
	return filled;
}
