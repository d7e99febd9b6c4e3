// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
#include "kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "cost.h"
#include "object.h"
#include "observer.h"
#include "privilege.h"

static const struct observer *const observers[] = {&handshake_observer, &dns_observer, &listener_observer, &name_lookup_observer};
#define OBSERVER_COUNT (sizeof(observers) / sizeof(observers[0]))

static struct kernel_options options;
static char unavailable[512];
static char without_tracefs[200];
static struct environment environment = {
	.options = &options,
	.cgroup_descriptor = -1,
	.unavailable = unavailable,
	.without_tracefs = without_tracefs,
};
static int rings = -1;

/* The first mount of cgroup v2, from the 5th and the 9th-or-later field of /proc/self/mountinfo (proc(5)). */
static bool find_cgroup_mount(char *path, size_t size)
{
	FILE *mounts = fopen("/proc/self/mountinfo", "re");
	char line[4096], mount_point[1024];
	bool found = false;

	while (mounts && !found && fgets(line, sizeof(line), mounts)) {
		const char *type = strstr(line, " - ");

		found = type && !strncmp(type, " - cgroup2 ", 11) && sscanf(line, "%*s %*s %*s %*s %1023s", mount_point) == 1;
	}
	if (mounts)
		fclose(mounts);
	if (found)
		snprintf(path, size, "%s", mount_point);
	return found;
}

static const char *missing_capability(void)
{
	if (!privilege_has(CAP_BPF) && !privilege_has(CAP_SYS_ADMIN))
		return "CAP_BPF";
	if (!privilege_has(CAP_PERFMON) && !privilege_has(CAP_SYS_ADMIN))
		return "CAP_PERFMON";
	return privilege_has(CAP_NET_ADMIN) ? NULL : "CAP_NET_ADMIN";
}

static void open_cgroup(void)
{
	char mount[1024];
	const char *cgroup = options.cgroup ? options.cgroup : mount;

	if (!options.cgroup && !find_cgroup_mount(mount, sizeof(mount))) {
		snprintf(unavailable, sizeof(unavailable), "cgroup v2 is not mounted: mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified, or name a folder with --cgroup");
		return;
	}
	environment.cgroup_descriptor = open(cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (environment.cgroup_descriptor < 0)
		snprintf(unavailable, sizeof(unavailable), "cannot open the cgroup %s: %s", cgroup, strerror(errno));
}

static void examine_host(void)
{
	int tracefs;

	if (access("/sys/kernel/btf/vmlinux", R_OK)) {
		snprintf(unavailable, sizeof(unavailable), "this kernel shows no type information (/sys/kernel/btf/vmlinux): it needs CONFIG_DEBUG_INFO_BTF=y");
	} else if (missing_capability()) {
		snprintf(unavailable, sizeof(unavailable), "the probe lacks %s: run it as root, or give it CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN", missing_capability());
	} else {
		open_cgroup();
	}
	tracefs = *unavailable ? 0 : privilege_mount_tracefs();
	if (tracefs)
		snprintf(without_tracefs, sizeof(without_tracefs), "tracefs is not mounted and cannot be (%s): mount -t tracefs tracefs /sys/kernel/tracing",
			 strerror(-tracefs));
}

void kernel_load(const struct kernel_options *chosen)
{
	options = *chosen;
	rings = epoll_create1(EPOLL_CLOEXEC);
	object_listen_to_libbpf();
	examine_host();
	if (*unavailable)
		output_diagnostic("error", "nothing_available", "%s", unavailable);
	for (size_t i = 0; i < OBSERVER_COUNT; i++)
		observers[i]->load(&environment);
	/* The kernel's type information took some megabytes, and is not needed again. */
	malloc_trim(0);
}

void kernel_capabilities(struct json *json)
{
	json_format(json, "[");
	for (size_t i = 0; i < OBSERVER_COUNT; i++)
		observers[i]->capabilities(json);
	json_drop_comma(json);
	json_format(json, "]");
}

bool kernel_attached(void)
{
	for (size_t i = 0; i < OBSERVER_COUNT; i++)
		if (observers[i]->attached())
			return true;
	return false;
}

static void append_error(struct json *json, const struct observer *observer, const char *message)
{
	json_format(json, "{\"slot\":null,\"probe\":\"%s\",\"message\":", observer->name);
	json_string(json, message);
	json_format(json, "},");
}

void kernel_configure(const struct slots *slots, struct json *json)
{
	static struct json errors;
	bool was_attached = kernel_attached();

	json_begin(&errors);
	if (was_attached && !slots->count)
		cost_detaching();
	for (size_t i = 0; i < OBSERVER_COUNT; i++) {
		const char *wrong = observers[i]->configure(slots);

		if (wrong)
			append_error(&errors, observers[i], wrong);
	}
	kernel_consume();
	if (!was_attached && kernel_attached())
		cost_attached(options.cost_sample_seconds);
	json_drop_comma(&errors);
	kernel_hooks(json);
	json_format(json, ",\"errors\":[%s]", errors.text);
}

void kernel_hooks(struct json *json)
{
	json_format(json, "\"attached\":%s,\"hooks\":{", kernel_attached() ? "true" : "false");
	for (size_t i = 0; i < OBSERVER_COUNT; i++) {
		if (!observers[i]->attached())
			continue;
		json_format(json, "\"%s\":[", observers[i]->name);
		observers[i]->hooks(json);
		json_drop_comma(json);
		json_format(json, "],");
	}
	json_drop_comma(json);
	json_format(json, "}");
}

int kernel_watch_ring(int descriptor)
{
	struct epoll_event event = {.events = EPOLLIN};

	return epoll_ctl(rings, EPOLL_CTL_ADD, descriptor, &event) ? -errno : 0;
}

int kernel_ring_descriptor(void)
{
	return rings;
}

void kernel_consume(void)
{
	for (size_t i = 0; i < OBSERVER_COUNT; i++)
		observers[i]->consume();
	output_flush();
}

void kernel_sweep(void)
{
	for (size_t i = 0; i < OBSERVER_COUNT; i++)
		if (observers[i]->attached())
			observers[i]->sweep();
}

void kernel_stats(struct json *json)
{
	struct bpf_program *programs[OBSERVER_COUNT * OBSERVER_PROGRAMS_MAX];
	size_t count = 0;

	json_format(json, "\"probes\":{");
	for (size_t i = 0; i < OBSERVER_COUNT; i++) {
		json_format(json, "\"%s\":{", observers[i]->name);
		observers[i]->stats(json);
		json_format(json, "},");
		count += observers[i]->programs(programs + count, OBSERVER_PROGRAMS_MAX);
	}
	json_drop_comma(json);
	json_format(json, "},");
	cost_append(json, programs, count);
}

void kernel_end(void)
{
	for (size_t i = 0; i < OBSERVER_COUNT; i++)
		observers[i]->end();
	output_flush();
}
