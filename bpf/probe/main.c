// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* synscope-probe: the one privileged process of a host. Frames in on stdin, frames out on stdout (probe_wire.h), words on stderr. */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "clock.h"
#include "kernel.h"
#include "layout.h"
#include "privilege.h"

/* While attached: records are fetched this often; a sweep and the statistics come every so many ticks. */
#define TICK_MILLISECONDS 50
#define TICKS_PER_SWEEP 20
#define TICKS_PER_STATS 100

static struct json json;

static const char usage[] =
	"Usage: synscope-probe [options]\n"
	"\n"
	"Loads Synscope's BPF programs and speaks frames with its agent on stdin and stdout; not meant to be run by hand.\n"
	"Ends, with everything detached, when stdin closes or on SIGTERM.\n"
	"\n"
	"  --cgroup PATH               cgroup v2 folder whose sockets are watched (default: where cgroup v2 is mounted)\n"
	"  --ring-bytes N              kernel ring buffer, a power of two of at least 4096 (default 2097152)\n"
	"  --pending-max N             size of each side's table of unfinished handshakes, a power of two (default 16384)\n"
	"  --dns-pending-max N         size of the table of DNS queries without an answer, a power of two (default 32768)\n"
	"  --dns-deadline-ms N         a DNS query without an answer for so long is unanswered (default 30000)\n"
	"  --lookup-pending-max N      size of the table of getaddrinfo() calls that have not returned (default 4096)\n"
	"  --accept-deadline-ms N      a server's record waits at most this long for accept() (default 60000)\n"
	"  --cost-sample-seconds N     of attached time for which the kernel measures the programs' run time (default 30, 0 = never)\n"
	"  --print-layout              print the wire's structs and constants as JSON and end\n"
	"  --version                   print the version and end\n"
	"  --help                      print this and end\n";

static bool parse_number(const char *text, uint64_t minimum, uint64_t maximum, uint64_t *number)
{
	char *end;

	errno = 0;
	*number = strtoull(text, &end, 10);
	return *text >= '0' && *text <= '9' && !*end && !errno && *number >= minimum && *number <= maximum;
}

static void refuse(const char *option, const char *text, const char *wanted)
{
	fprintf(stderr, "synscope-probe: --%s %s: give %s\n", option, text, wanted);
	exit(2);
}

static void parse_arguments(int count, char **arguments, struct kernel_options *options)
{
	static const struct option known[] = {
		{"cgroup", required_argument, NULL, 'c'},         {"ring-bytes", required_argument, NULL, 'r'},
		{"pending-max", required_argument, NULL, 'p'},    {"accept-deadline-ms", required_argument, NULL, 'a'},
		{"dns-pending-max", required_argument, NULL, 'd'},{"dns-deadline-ms", required_argument, NULL, 'u'},
		{"lookup-pending-max", required_argument, NULL, 'g'},
		{"cost-sample-seconds", required_argument, NULL, 's'}, {"print-layout", no_argument, NULL, 'l'},
		{"version", no_argument, NULL, 'v'},              {"help", no_argument, NULL, 'h'},
		{},
	};
	uint64_t number;
	int option, index = 0;

	while ((option = getopt_long(count, arguments, "", known, &index)) != -1) {
		switch (option) {
		case 'c':
			options->cgroup = optarg;
			break;
		case 'r':
			if (!parse_number(optarg, 4096, 1U << 30, &number) || number & (number - 1))
				refuse("ring-bytes", optarg, "a power of two from 4096 to 1073741824");
			options->ring_bytes = (__u32)number;
			break;
		case 'p':
			if (!parse_number(optarg, 1, 1U << 24, &number) || number & (number - 1))
				refuse("pending-max", optarg, "a power of two from 1 to 16777216");
			options->pending_max = (__u32)number;
			break;
		case 'a':
			if (!parse_number(optarg, 1, 86400000, &number))
				refuse("accept-deadline-ms", optarg, "milliseconds from 1 to 86400000");
			options->accept_deadline_ns = number * 1000000;
			break;
		case 'd':
			if (!parse_number(optarg, 4, 1U << 24, &number) || number & (number - 1))
				refuse("dns-pending-max", optarg, "a power of two from 4 to 16777216");
			options->dns_pending_max = (__u32)number;
			break;
		case 'u':
			if (!parse_number(optarg, 1, 3600000, &number))
				refuse("dns-deadline-ms", optarg, "milliseconds from 1 to 3600000");
			options->dns_deadline_ns = number * 1000000;
			break;
		case 'g':
			if (!parse_number(optarg, 1, 1U << 20, &number))
				refuse("lookup-pending-max", optarg, "a number from 1 to 1048576");
			options->lookup_pending_max = (__u32)number;
			break;
		case 's':
			if (!parse_number(optarg, 0, 86400, &number))
				refuse("cost-sample-seconds", optarg, "seconds from 0 to 86400");
			options->cost_sample_seconds = (__u32)number;
			break;
		case 'l':
			layout_print();
			exit(0);
		case 'v':
			printf("synscope-probe %s\n", SYNSCOPE_VERSION);
			exit(0);
		case 'h':
			fputs(usage, stdout);
			exit(0);
		default:
			fputs("synscope-probe: see --help\n", stderr);
			exit(2);
		}
	}
	if (optind < count) {
		fprintf(stderr, "synscope-probe: %s: no arguments are taken, see --help\n", arguments[optind]);
		exit(2);
	}
}

static void say_hello(void)
{
	struct utsname host;

	uname(&host);
	json_begin(&json);
	json_format(&json, "{\"wireVersion\":%d,\"version\":\"%s\",\"kernel\":", PROBE_WIRE_VERSION, SYNSCOPE_VERSION);
	json_string(&json, host.release);
	json_format(&json, ",\"architecture\":");
	json_string(&json, host.machine);
	json_format(&json, ",\"capabilities\":");
	kernel_capabilities(&json);
	json_format(&json, "}");
	output_json(FRAME_HELLO, &json);
}

static long long resident_bytes(void)
{
	long long pages = 0;
	FILE *statm = fopen("/proc/self/statm", "re");

	if (statm) {
		if (fscanf(statm, "%*s %lld", &pages) != 1)
			pages = 0;
		fclose(statm);
	}
	return pages * sysconf(_SC_PAGESIZE);
}

static void say_stats(void)
{
	struct rusage used;

	getrusage(RUSAGE_SELF, &used);
	json_begin(&json);
	json_format(&json, "{\"monotonicNs\":%llu,\"wallOffsetNs\":%lld,", clock_monotonic_ns(), clock_wall_offset_ns());
	kernel_stats(&json);
	json_format(&json, ",\"residentBytes\":%lld,\"cpuUs\":%lld}", resident_bytes(),
		    (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000LL + used.ru_utime.tv_usec + used.ru_stime.tv_usec);
	output_json(FRAME_STATS, &json);
}

static void set_ticking(int timer, bool ticking)
{
	struct timespec tick = {.tv_nsec = ticking ? TICK_MILLISECONDS * 1000000 : 0};
	struct itimerspec interval = {.it_interval = tick, .it_value = tick};

	timerfd_settime(timer, 0, &interval, NULL);
}

static void handle_configure(const void *payload, size_t length, int timer)
{
	static struct slots slots;
	static struct json answer;
	const char *wrong = slots_parse(&slots, payload, length);

	json_begin(&answer);
	json_format(&answer, "{\"revision\":%u,", slots.revision);
	if (wrong) {
		kernel_hooks(&answer);
		json_format(&answer, ",\"errors\":[{\"slot\":null,\"probe\":null,\"message\":");
		json_string(&answer, wrong);
		json_format(&answer, "}]");
	} else {
		kernel_configure(&slots, &answer);
		set_ticking(timer, kernel_attached());
	}
	json_format(&answer, "}");
	say_stats();
	output_json(FRAME_CONFIGURED, &answer);
}

/* Takes whole frames off the front of the buffer; returns how many bytes of it remain. */
static size_t handle_input(char *buffer, size_t length, int timer)
{
	size_t at = 0;

	while (length - at >= sizeof(struct frame_header)) {
		struct frame_header header;

		memcpy(&header, buffer + at, sizeof(header));
		if (header.length > FRAME_PAYLOAD_MAX) {
			fprintf(stderr, "synscope-probe: a frame of %u bytes on stdin, more than %u\n", header.length, FRAME_PAYLOAD_MAX);
			exit(1);
		}
		if (length - at - sizeof(header) < header.length)
			break;
		if (header.type == FRAME_CONFIGURE)
			handle_configure(buffer + at + sizeof(header), header.length, timer);
		else
			output_diagnostic("warning", "unknown_frame", "a frame of type %u on stdin was passed over", header.type);
		at += sizeof(header) + header.length;
	}
	memmove(buffer, buffer + at, length - at);
	return length - at;
}

static int catch_signals(void)
{
	sigset_t signals;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	return signalfd(-1, &signals, SFD_CLOEXEC);
}

static void run(void)
{
	static char input[sizeof(struct frame_header) + FRAME_PAYLOAD_MAX];
	int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	struct pollfd watched[] = {
		{.fd = STDIN_FILENO, .events = POLLIN},
		{.fd = catch_signals(), .events = POLLIN},
		{.fd = timer, .events = POLLIN},
		{.fd = kernel_ring_descriptor(), .events = POLLIN},
	};
	uint64_t expired, ticks = 0;
	size_t length = 0;

	for (;;) {
		if (poll(watched, sizeof(watched) / sizeof(watched[0]), -1) < 0)
			continue;
		if (watched[3].revents)
			kernel_consume();
		if (watched[2].revents && read(timer, &expired, sizeof(expired)) == sizeof(expired)) {
			ticks++;
			if (ticks % TICKS_PER_SWEEP == 0)
				kernel_sweep();
			kernel_consume();
			if (ticks % TICKS_PER_STATS == 0)
				say_stats();
		}
		if (watched[1].revents)
			return;
		if (watched[0].revents) {
			ssize_t got = read(STDIN_FILENO, input + length, sizeof(input) - length);

			if (got == 0 || (got < 0 && errno != EINTR))
				return;
			if (got > 0)
				length = handle_input(input, length + (size_t)got, timer);
		}
	}
}

int main(int count, char **arguments)
{
	struct kernel_options options = {
		.ring_bytes = 2 * 1024 * 1024,
		.pending_max = 16384,
		.accept_deadline_ns = 60000000000ULL,
		.dns_pending_max = 32768,
		.dns_deadline_ns = 30000000000ULL,
		.lookup_pending_max = 4096,
		.cost_sample_seconds = 30,
	};
	int error;

	parse_arguments(count, arguments, &options);
	kernel_load(&options);
	error = privilege_drop(options.cost_sample_seconds > 0);
	if (error)
		output_diagnostic("warning", "capabilities_kept", "cannot drop capabilities: %s", strerror(-error));
	say_hello();
	run();
	kernel_end();
	say_stats();
	return 0;
}
