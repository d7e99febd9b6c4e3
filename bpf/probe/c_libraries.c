// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
#define _GNU_SOURCE
#include "c_libraries.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/perf_event.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clock.h"
#include "library_finder.h"
#include "output.h"
#include "privilege.h"
#include "uretprobe_safety.h"

/* A container that starts is seen after so long, at most. */
#define SCAN_INTERVAL_NS (10 * NANOSECONDS_PER_SECOND)
/* For the first scan before the session counts as attached. */
#define FIRST_SCAN_MILLISECONDS 1000

static const struct c_library_user *user;
static struct uprobe_type uprobe;
static struct discovery *discovery;
static char limit[256];

static int finder = -1;
static bool scanning;
/* The scan under way began before libraries were let go: what it knows of them is outdated. */
static bool scan_again;
static __u64 scan_began_ns;
static bool said_crowded, said_uprobe_error, said_stuck;

/* ── Prepare ────────────────────────────────────────────────────────────────────────────────────────────────────────── */

/* A number that the kernel shows below the PMU for uprobes, behind a prefix. */
static bool read_uprobe_number(const char *name, const char *format, __u32 *number)
{
	char path[80];
	FILE *file;
	bool found;

	snprintf(path, sizeof(path), "/sys/bus/event_source/devices/uprobe/%s", name);
	file = fopen(path, "re");
	found = file && fscanf(file, format, number) == 1;
	if (file)
		fclose(file);
	return found;
}

/* The kernel looks at the capability before it looks at the file. */
static bool may_open_uprobes(void)
{
	struct perf_event_attr attributes = {.size = sizeof(attributes), .type = uprobe.type, .uprobe_path = (__u64)(uintptr_t) "/"};
	int event = (int)syscall(SYS_perf_event_open, &attributes, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);

	if (event >= 0)
		close(event);
	return event >= 0 || (errno != EACCES && errno != EPERM);
}

const char *c_libraries_prepare(const struct c_library_user *wanted)
{
	bool in_containers = privilege_has(CAP_SYS_PTRACE) && (privilege_has(CAP_SYS_ADMIN) || privilege_has(CAP_CHECKPOINT_RESTORE));
	__u32 bit;

	user = wanted;
	if (!read_uprobe_number("type", "%u", &uprobe.type) || !read_uprobe_number("format/retprobe", "config:%u", &bit) || bit > 63)
		return "this kernel has no uprobes (/sys/bus/event_source/devices/uprobe): it needs CONFIG_UPROBE_EVENTS=y";
	uprobe.returns = 1ULL << bit;
	if (!may_open_uprobes())
		return "this kernel lets the probe open no uprobes: run it as root, or give it CAP_SYS_ADMIN";
	if (!uretprobe_is_safe(&uprobe))
		return "on this kernel (6.11 to 6.13, early stable versions) a probe on a function's return ends programs that have a seccomp filter: update the kernel";
	if (!in_containers)
		snprintf(limit, sizeof(limit), "without CAP_SYS_PTRACE and CAP_SYS_ADMIN (or CAP_CHECKPOINT_RESTORE) only the host's own C library is seen, not those of containers");
	discovery = mmap(NULL, sizeof(*discovery), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	finder = discovery == MAP_FAILED ? -ENOMEM : library_finder_start(discovery, user->function, &uprobe, in_containers);
	return finder < 0 ? "the process that looks for C libraries cannot be started" : NULL;
}

const char *c_libraries_limit(void)
{
	return limit;
}

/* ── After a scan ───────────────────────────────────────────────────────────────────────────────────────────────────── */

/* Programs that used the library are looked into again, should they come back. */
static void forget_users(unsigned int place)
{
	for (int i = 0; i < EXECUTABLES_MAX; i++)
		for (int j = 0; j < discovery->executables[i].library_count; j++)
			if (discovery->executables[i].libraries[j] == place)
				discovery->executables[i].seen = 0;
}

static void let_go(unsigned int place)
{
	if (discovery->libraries[place].state == LIBRARY_ATTACHED)
		user->detach(place);
	discovery->libraries[place].state = LIBRARY_NONE;
	forget_users(place);
}

/* An attached library keeps its file system, so one that nobody uses is let go at once. */
static void let_go_unused(bool complete)
{
	for (unsigned int place = 0; place < LIBRARIES_MAX; place++) {
		const struct library *library = &discovery->libraries[place];

		if (library->state == LIBRARY_FOUND || (library->state == LIBRARY_ATTACHED && complete && library->seen != discovery->scan))
			let_go(place);
	}
}

/* Each problem is said when it begins, not at every scan. */
static void say_problems(bool complete)
{
	if (!complete && !said_stuck)
		output_diagnostic("warning", "library_scan_stuck",
				  "looking for C libraries did not end within %d ms, perhaps in a file system that does not answer; the program that it met last is passed over from now on",
				  SCAN_DEADLINE_MILLISECONDS);
	if (discovery->crowded && !said_crowded)
		output_diagnostic("warning", "too_many_libraries", "more than %d C libraries are in use: lookups through %u of them are not seen", LIBRARIES_MAX,
				  discovery->crowded);
	if (discovery->uprobe_error && !said_uprobe_error)
		output_diagnostic("warning", "library_not_attached", "cannot attach to %s() of a C library: %s", user->function, strerror(discovery->uprobe_error));
	said_stuck = !complete;
	said_crowded = discovery->crowded;
	said_uprobe_error = discovery->uprobe_error;
	discovery->uprobe_error = 0;
}

/* ── A scan ─────────────────────────────────────────────────────────────────────────────────────────────────────────── */

static void start_scan(void)
{
	const char look = 0;

	discovery->scan++;
	scan_began_ns = clock_monotonic_ns();
	scanning = send(finder, &look, sizeof(look), MSG_NOSIGNAL | MSG_DONTWAIT) == sizeof(look);
}

static void settle_scan(bool complete)
{
	scanning = false;
	let_go_unused(complete && !scan_again);
	say_problems(complete);
	if (scan_again)
		memset(discovery->executables, 0, sizeof(discovery->executables));
	if (scan_again)
		start_scan();
	scan_again = false;
}

static void take_over(__u32 place, const int uprobes[2])
{
	struct library *library = place < LIBRARIES_MAX ? &discovery->libraries[place] : NULL;

	if (!library || library->state != LIBRARY_FOUND) {
		close(uprobes[0]);
		close(uprobes[1]);
	} else if (user->attach(place, uprobes[0], uprobes[1])) {
		library->state = LIBRARY_ATTACHED;
	} else {
		discovery->uprobe_error = errno;
	}
}

/* The finder has ended, which it never should: what it found stays attached, and nothing new is found. */
static void lose_finder(void)
{
	output_diagnostic("error", "library_finder_ended", "the process that looks for C libraries has ended; libraries that come into use from now on are not seen");
	library_finder_end(finder);
	finder = -1;
	scanning = false;
}

/* Returns false when nothing waits. */
static bool receive_message(void)
{
	struct finder_message message;
	struct iovec part = {.iov_base = &message, .iov_len = sizeof(message)};
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(2 * sizeof(int))];
	} control = {};
	struct msghdr envelope = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	ssize_t got = recvmsg(finder, &envelope, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	int uprobes[2];

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (got != sizeof(message)) {
		lose_finder();
		return false;
	}
	if (message.kind != FINDER_FOUND) {
		settle_scan(message.kind == FINDER_COMPLETE);
	} else if (control.header.cmsg_type == SCM_RIGHTS && control.header.cmsg_len == CMSG_LEN(sizeof(uprobes))) {
		memcpy(uprobes, CMSG_DATA(&control.header), sizeof(uprobes));
		take_over(message.place, uprobes);
	}
	return true;
}

static void receive_messages(void)
{
	while (finder >= 0 && receive_message())
		;
}

/* ── The user's side ────────────────────────────────────────────────────────────────────────────────────────────────── */

void c_libraries_begin(void)
{
	struct pollfd answer = {.fd = finder, .events = POLLIN};
	__u64 deadline = clock_monotonic_ns() + FIRST_SCAN_MILLISECONDS * 1000000ULL, now;

	said_crowded = said_uprobe_error = said_stuck = false;
	if (finder < 0)
		return;
	if (scanning) {
		scan_again = true;
	} else {
		memset(discovery->executables, 0, sizeof(discovery->executables));
		start_scan();
	}
	while (scanning && (now = clock_monotonic_ns()) < deadline && poll(&answer, 1, (int)((deadline - now) / 1000000) + 1) > 0)
		receive_messages();
}

void c_libraries_tick(void)
{
	receive_messages();
	if (finder >= 0 && !scanning && clock_monotonic_ns() - scan_began_ns >= SCAN_INTERVAL_NS)
		start_scan();
}

void c_libraries_end(void)
{
	for (unsigned int place = 0; discovery && place < LIBRARIES_MAX; place++)
		if (discovery->libraries[place].state == LIBRARY_ATTACHED)
			let_go(place);
}

void c_libraries_stop(void)
{
	if (finder >= 0)
		library_finder_end(finder);
	finder = -1;
}

unsigned int c_libraries_count(void)
{
	unsigned int count = 0;

	for (int place = 0; discovery && place < LIBRARIES_MAX; place++)
		count += discovery->libraries[place].state == LIBRARY_ATTACHED;
	return count;
}
