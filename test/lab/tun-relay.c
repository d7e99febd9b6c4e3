/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two network namespaces, joined by a wire whose delay and loss are ours to choose, where the kernel has no netem.
 *
 * The namespaces have no name: they live as long as a process holds them, so nothing is left behind however this process or its
 * parent ends (it exits when its stdin closes). Enter one by `nsenter --net=PATH` with the path that the first line of output tells.
 * Each holds one TUN device, `wire`; this process carries the packets from one to the other.
 *
 * Commands on stdin, one per line, each answered by one `reply` line:
 *   delay a|b MICROSECONDS                                    what side a (b) sends arrives so much later
 *   drop KIND COUNT|all [each] [from a|b] [port N]            KIND: syn synack ack data fin rst udp any; `each`: COUNT per connection
 *   loss a|b PERCENT SEED                                     of what that side sends, by a seeded generator
 *   clear                                                     no more drops and losses
 *   reset                                                     clear, no delay, counters at zero
 *   stats
 * Each TCP and UDP packet is told by a `packet` line once it is forwarded or dropped; times are CLOCK_MONOTONIC in microseconds. `sentUs` is
 * taken directly before the write that hands the packet to the receiving namespace's stack, which handles it within that write.
 */
#include "clock.h"
#include "output.h"
#include "packet.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define PACKET_SIZE_MAX 2048 /* above the MTU of 1500 that TUN devices start with */
#define QUEUE_LENGTH 2048    /* packets on the way in one direction */

struct packet {
	uint64_t arrived_ns, due_ns;
	struct packet_info info;
	size_t length;
	uint8_t bytes[PACKET_SIZE_MAX];
};

/* What one side sends, on its way to the other. A queue keeps its order also when the delay is changed. */
struct direction {
	int tun; /* of the sending side */
	int netns;
	uint64_t delay_ns;
	double loss; /* probability */
	uint64_t random_state;
	uint64_t forwarded, dropped_by_rule, dropped_by_loss, dropped_by_overflow;
	size_t first, count;
	struct packet *queue; /* QUEUE_LENGTH */
};

static struct direction directions[2];
static const char *const side_names[] = { "a", "b" };

static void fail(const char *what)
{
	fprintf(stderr, "tun-relay: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void describe(const struct packet *packet, uint64_t sent_ns, const char *dropped_by)
{
	const struct packet_info *info = &packet->info;
	char source[INET6_ADDRSTRLEN], destination[INET6_ADDRSTRLEN], outcome[64];
	size_t offset = info->family == AF_INET ? 12 : 0;

	if (info->kind == KIND_OTHER)
		return;
	inet_ntop(info->family, info->source.s6_addr + offset, source, sizeof(source));
	inet_ntop(info->family, info->destination.s6_addr + offset, destination, sizeof(destination));
	if (dropped_by)
		snprintf(outcome, sizeof(outcome), "\"droppedBy\":\"%s\"", dropped_by);
	else
		snprintf(outcome, sizeof(outcome), "\"sentUs\":%.3f", sent_ns / 1e3);
	output_line("{\"event\":\"packet\",\"from\":\"%s\",\"kind\":\"%s\",\"source\":{\"address\":\"%s\",\"port\":%u},"
		    "\"destination\":{\"address\":\"%s\",\"port\":%u},\"seq\":%u,\"ack\":%u,\"messageId\":%u,\"payload\":%u,\"arrivedUs\":%.3f,%s}",
		    side_names[info->from], packet_kind_names[info->kind], source, info->source_port, destination,
		    info->destination_port, info->seq, info->ack, info->message_id, info->payload, packet->arrived_ns / 1e3, outcome);
}

/* xorshift64* by Vigna (2016): small, seedable, good enough for coin tosses. */
static double next_random(struct direction *direction)
{
	uint64_t x = direction->random_state;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	direction->random_state = x;
	return (double)((x * 0x2545f4914f6cdd1dULL) >> 11) / (double)(1ULL << 53);
}

static void forward_due(enum side side)
{
	struct direction *direction = &directions[side];
	int tun = directions[side == SIDE_A ? SIDE_B : SIDE_A].tun;

	while (direction->count > 0) {
		struct packet *packet = &direction->queue[direction->first];
		uint64_t now = monotonic_ns();

		if (packet->due_ns > now)
			return;
		/* EIO while the device is still down: that packet is lost, as on an unplugged wire. */
		if (write(tun, packet->bytes, packet->length) < 0 && errno != EIO)
			fail("write to TUN device");
		describe(packet, now, NULL);
		direction->forwarded++;
		direction->first = (direction->first + 1) % QUEUE_LENGTH;
		direction->count--;
	}
}

static void receive(enum side side)
{
	static struct packet overflow;
	struct direction *direction = &directions[side];

	for (;;) {
		bool full = direction->count == QUEUE_LENGTH;
		struct packet *packet = full ? &overflow : &direction->queue[(direction->first + direction->count) % QUEUE_LENGTH];
		ssize_t length = read(direction->tun, packet->bytes, sizeof(packet->bytes));

		if (length < 0) {
			if (errno == EAGAIN || errno == EIO || errno == EINTR)
				return;
			fail("read from TUN device");
		}
		packet->arrived_ns = monotonic_ns();
		packet->due_ns = packet->arrived_ns + direction->delay_ns;
		packet->length = length;
		packet_parse(packet->bytes, length, side, &packet->info);
		if (rules_drop(&packet->info)) {
			direction->dropped_by_rule++;
			describe(packet, 0, "rule");
		} else if (direction->loss > 0 && next_random(direction) < direction->loss) {
			direction->dropped_by_loss++;
			describe(packet, 0, "loss");
		} else if (full) {
			direction->dropped_by_overflow++;
			describe(packet, 0, "overflow");
		} else {
			direction->count++;
		}
	}
}

static bool parse_side(const char *word, enum side *side)
{
	if (!word || (strcmp(word, "a") != 0 && strcmp(word, "b") != 0))
		return false;
	*side = *word == 'a' ? SIDE_A : SIDE_B;
	return true;
}

static bool parse_number(const char *word, double least, double most, double *number)
{
	char *rest;

	if (!word)
		return false;
	*number = strtod(word, &rest);
	return *word != '\0' && *rest == '\0' && *number >= least && *number <= most;
}

static const char *command_delay(void)
{
	enum side side;
	double microseconds;

	if (!parse_side(strtok(NULL, " "), &side) || !parse_number(strtok(NULL, " "), 0, 60e6, &microseconds))
		return "usage: delay a|b MICROSECONDS (0-60000000)";
	directions[side].delay_ns = microseconds * 1e3;
	return NULL;
}

static const char *command_loss(void)
{
	enum side side;
	double percent, seed;

	if (!parse_side(strtok(NULL, " "), &side) || !parse_number(strtok(NULL, " "), 0, 100, &percent) ||
	    !parse_number(strtok(NULL, " "), 1, 4294967295.0, &seed))
		return "usage: loss a|b PERCENT SEED (seed 1-4294967295)";
	directions[side].loss = percent / 100;
	/* Spread small seeds over the state: xorshift starts slowly from few set bits. */
	directions[side].random_state = (uint64_t)seed * 0x9e3779b97f4a7c15ULL;
	return NULL;
}

static bool parse_kind(const char *word, enum packet_kind *kind)
{
	for (int i = KIND_SYN; word && i <= KIND_ANY; i++) {
		if (strcmp(word, packet_kind_names[i]) == 0) {
			*kind = i;
			return true;
		}
	}
	return false;
}

static const char *command_drop(void)
{
	static const char usage[] = "usage: drop syn|synack|ack|data|fin|rst|udp|any COUNT|all [each] [from a|b] [port N]";
	struct drop_rule rule = { .from = SIDE_ANY, .count = RULE_UNLIMITED };
	const char *count, *word;
	double number;

	if (!parse_kind(strtok(NULL, " "), &rule.kind) || !(count = strtok(NULL, " ")))
		return usage;
	if (strcmp(count, "all") != 0) {
		if (!parse_number(count, 1, 1e9, &number))
			return usage;
		rule.count = number;
	}
	while ((word = strtok(NULL, " "))) {
		if (strcmp(word, "each") == 0) {
			rule.each_connection = true;
		} else if (strcmp(word, "from") == 0) {
			if (!parse_side(strtok(NULL, " "), &rule.from))
				return usage;
		} else if (strcmp(word, "port") == 0) {
			if (!parse_number(strtok(NULL, " "), 1, 65535, &number))
				return usage;
			rule.port = number;
		} else {
			return usage;
		}
	}
	return rules_add(&rule) ? NULL : "too many drop rules";
}

static const char *command_clear(void)
{
	rules_clear();
	directions[SIDE_A].loss = directions[SIDE_B].loss = 0;
	return NULL;
}

static const char *command_reset(void)
{
	command_clear();
	for (int side = SIDE_A; side <= SIDE_B; side++) {
		struct direction *direction = &directions[side];

		direction->delay_ns = 0;
		direction->forwarded = direction->dropped_by_rule = direction->dropped_by_loss = direction->dropped_by_overflow = 0;
	}
	return NULL;
}

static void reply_stats(void)
{
	char sides[2][256];

	for (int side = SIDE_A; side <= SIDE_B; side++) {
		const struct direction *direction = &directions[side];

		snprintf(sides[side], sizeof(sides[side]),
			 "{\"forwarded\":%lu,\"droppedByRule\":%lu,\"droppedByLoss\":%lu,\"droppedByOverflow\":%lu,\"queued\":%zu}",
			 direction->forwarded, direction->dropped_by_rule, direction->dropped_by_loss, direction->dropped_by_overflow,
			 direction->count);
	}
	output_line("{\"event\":\"reply\",\"ok\":true,\"a\":%s,\"b\":%s,\"unreportedPackets\":%lu}", sides[SIDE_A], sides[SIDE_B],
		    output_dropped_lines());
}

static void run_command(char *line)
{
	static const struct {
		const char *name;
		const char *(*run)(void);
	} commands[] = { { "delay", command_delay }, { "drop", command_drop }, { "loss", command_loss },
			 { "clear", command_clear }, { "reset", command_reset } };
	const char *name = strtok(line, " "), *error = "unknown command";

	if (name && strcmp(name, "stats") == 0) {
		reply_stats();
		return;
	}
	for (size_t i = 0; name && i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(name, commands[i].name) == 0)
			error = commands[i].run();
	if (error)
		output_line("{\"event\":\"reply\",\"ok\":false,\"error\":\"%s\"}", error);
	else
		output_line("{\"event\":\"reply\",\"ok\":true}");
}

/* False: stdin was closed. */
static bool read_commands(void)
{
	static char buffer[4096];
	static size_t length;
	ssize_t more = read(STDIN_FILENO, buffer + length, sizeof(buffer) - length);
	char *newline;

	if (more <= 0)
		return more < 0 && (errno == EINTR || errno == EAGAIN);
	length += more;
	while ((newline = memchr(buffer, '\n', length))) {
		size_t used = newline - buffer + 1;

		*newline = '\0';
		run_command(buffer);
		memmove(buffer, buffer + used, length - used);
		length -= used;
	}
	return length < sizeof(buffer);
}

static int open_tun(void)
{
	struct ifreq request = { .ifr_flags = IFF_TUN | IFF_NO_PI };
	int tun = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	if (tun < 0)
		fail("open /dev/net/tun (root is needed)");
	strcpy(request.ifr_name, "wire");
	if (ioctl(tun, TUNSETIFF, &request) < 0)
		fail("create TUN device");
	return tun;
}

static void make_side(enum side side)
{
	struct direction *direction = &directions[side];

	if (unshare(CLONE_NEWNET) < 0)
		fail("create network namespace (root is needed)");
	direction->netns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (direction->netns < 0)
		fail("open /proc/self/ns/net");
	direction->tun = open_tun();
	direction->queue = malloc(QUEUE_LENGTH * sizeof(*direction->queue));
	if (!direction->queue)
		fail("allocate queue");
	/* Touch it now, since a page fault later would add to some packet's delay; not with 0, which compilers turn into calloc(). */
	memset(direction->queue, 1, QUEUE_LENGTH * sizeof(*direction->queue));
}

/* Accurate also on a busy machine; where the host refuses it the lab is only less exact. */
static void take_precedence(void)
{
	struct sched_param parameters = { .sched_priority = 10 };

	prctl(PR_SET_TIMERSLACK, 1);
	if (sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &parameters) < 0)
		fprintf(stderr, "tun-relay: no real-time priority (%s); delays are less exact\n", strerror(errno));
}

static void announce(void)
{
	struct stat namespaces[2];

	for (int side = SIDE_A; side <= SIDE_B; side++)
		if (fstat(directions[side].netns, &namespaces[side]) < 0)
			fail("stat namespace");
	output_line("{\"event\":\"ready\",\"pid\":%d,\"a\":{\"path\":\"/proc/%d/fd/%d\",\"inode\":%lu},"
		    "\"b\":{\"path\":\"/proc/%d/fd/%d\",\"inode\":%lu}}",
		    getpid(), getpid(), directions[SIDE_A].netns, namespaces[SIDE_A].st_ino, getpid(), directions[SIDE_B].netns,
		    namespaces[SIDE_B].st_ino);
}

/* Sleeps until the next packet is due or something can be read. */
static void wait_for_work(struct pollfd descriptors[4])
{
	uint64_t due = UINT64_MAX, now;
	struct timespec timeout = { 0 };

	for (int side = SIDE_A; side <= SIDE_B; side++)
		if (directions[side].count > 0 && directions[side].queue[directions[side].first].due_ns < due)
			due = directions[side].queue[directions[side].first].due_ns;
	now = monotonic_ns();
	if (due != UINT64_MAX && due > now) {
		timeout.tv_sec = (due - now) / 1000000000ULL;
		timeout.tv_nsec = (due - now) % 1000000000ULL;
	}
	descriptors[3].events = output_pending() ? POLLOUT : 0;
	if (ppoll(descriptors, 4, due == UINT64_MAX ? NULL : &timeout, NULL) < 0 && errno != EINTR)
		fail("poll");
}

int main(void)
{
	struct pollfd descriptors[4];

	make_side(SIDE_A);
	make_side(SIDE_B);
	take_precedence();
	announce();
	descriptors[0] = (struct pollfd){ .fd = directions[SIDE_A].tun, .events = POLLIN };
	descriptors[1] = (struct pollfd){ .fd = directions[SIDE_B].tun, .events = POLLIN };
	descriptors[2] = (struct pollfd){ .fd = STDIN_FILENO, .events = POLLIN };
	descriptors[3] = (struct pollfd){ .fd = STDOUT_FILENO };
	for (;;) {
		wait_for_work(descriptors);
		receive(SIDE_A);
		receive(SIDE_B);
		forward_due(SIDE_A);
		forward_due(SIDE_B);
		if (descriptors[2].revents && !read_commands())
			break;
		if (!output_flush())
			return 0;
	}
	output_drain();
	return 0;
}
