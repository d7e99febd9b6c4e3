// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * A listener in a chosen kind of trouble on the loopback of a network namespace of its own, for the tests of the probe. Reads commands from stdin,
 * one a line, and answers each with a line:
 *   set SYSCTL VALUE        below /proc/sys/net
 *   listen ADDRESS BACKLOG  another listener on the port (SO_REUSEPORT); ADDRESS is ipv4, ipv6, any4, any6 or mptcp → its SO_COOKIE
 *   connect FAMILY COUNT    that many connections begun at once (ipv4 or ipv6), none awaited → ok
 *   deaf FAMILY COUNT       the same, of clients that lose every SYN-ACK
 *   lose-syns               the listeners lose every SYN → ok
 *   hear                    deaf clients hear again → ok
 *   cookie-syn FAMILY COUNT SYNs without a client behind them, whose answers are kept → how many came
 *   cookie-ack              the third packets to these answers → ok
 *   await MILLISECONDS      until each connection has an answer, or so long → how many are connected
 *   say                     one byte on each connection → ok
 *   accept COUNT            that many are accepted, waiting for each → ok
 *   health COUNT            that many connections one after the other, each accepted → ok
 *   reset                   the connections are closed, by RST → ok
 *   close                   the listeners are closed → ok
 *   sleep MILLISECONDS      → ok
 *   counters                → the namespace's TcpExt counters, as JSON
 * Ends when stdin does. The first line says {"netns":inode,"pid":n,"port":n}.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define PORT 7100
#define SOCKETS_MAX 512
#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

static int listeners[SOCKETS_MAX], clients[SOCKETS_MAX], accepted[SOCKETS_MAX];
static int listener_count, client_count, accepted_count;

static void fail(const char *what)
{
	fprintf(stderr, "listener-traffic: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void remember(int *list, int *count, int descriptor)
{
	if (*count == SOCKETS_MAX) {
		errno = EMFILE;
		fail("too many sockets");
	}
	list[(*count)++] = descriptor;
}

static void set(const char *sysctl, const char *value)
{
	char path[128];
	int descriptor;

	snprintf(path, sizeof(path), "/proc/sys/net/%s", sysctl);
	descriptor = open(path, O_WRONLY | O_CLOEXEC);
	if (descriptor < 0 || write(descriptor, value, strlen(value)) < 0)
		fail(path);
	close(descriptor);
}

static void enter_namespace(void)
{
	struct ifreq loopback = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	int any;

	if (unshare(CLONE_NEWNET))
		fail("unshare");
	any = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (any < 0 || ioctl(any, SIOCSIFFLAGS, &loopback))
		fail("lo up");
	close(any);
}

static socklen_t fill_address(struct sockaddr_storage *address, bool ipv4, bool any)
{
	struct sockaddr_in *v4 = (void *)address;
	struct sockaddr_in6 *v6 = (void *)address;

	memset(address, 0, sizeof(*address));
	if (ipv4) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(PORT);
		v4->sin_addr.s_addr = htonl(any ? INADDR_ANY : INADDR_LOOPBACK);
		return sizeof(*v4);
	}
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(PORT);
	v6->sin6_addr = any ? in6addr_any : in6addr_loopback;
	return sizeof(*v6);
}

static void start_listening(const char *where, int backlog)
{
	bool ipv4 = strcmp(where, "ipv6") && strcmp(where, "any6"), any = !strncmp(where, "any", 3);
	int listener = socket(ipv4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, strcmp(where, "mptcp") ? 0 : IPPROTO_MPTCP);
	unsigned long long cookie = 0;
	struct sockaddr_storage address;
	socklen_t length = fill_address(&address, ipv4, any), cookie_length = sizeof(cookie);
	int on = 1;

	if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) ||
	    bind(listener, (struct sockaddr *)&address, length) || listen(listener, backlog))
		fail("listen");
	getsockopt(listener, SOL_SOCKET, SO_COOKIE, &cookie, &cookie_length);
	remember(listeners, &listener_count, listener);
	printf("%llu\n", cookie);
}

/* Loses the segments whose SYN and ACK flags are these: socket filters see them from the TCP header on. */
static void lose(int socket, unsigned int flags)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 13),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0x12),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, flags, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_RET | BPF_K, 0xffff),
	};
	struct sock_fprog filter = {.len = sizeof(code) / sizeof(code[0]), .filter = code};

	if (setsockopt(socket, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)))
		fail("SO_ATTACH_FILTER");
}

static void begin_connections(bool ipv4, int count, bool deaf)
{
	struct sockaddr_storage address;
	socklen_t length = fill_address(&address, ipv4, false);

	while (count--) {
		int client = socket(ipv4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

		if (client < 0)
			fail("socket");
		if (deaf)
			lose(client, 0x12);
		if (connect(client, (struct sockaddr *)&address, length) && errno != EINPROGRESS)
			fail("connect");
		remember(clients, &client_count, client);
	}
	puts("ok");
}

static void hear(void)
{
	int nothing = 0;

	for (int i = 0; i < client_count; i++)
		setsockopt(clients[i], SOL_SOCKET, SO_DETACH_FILTER, &nothing, sizeof(nothing));
	puts("ok");
}

/*
 * Handshakes by hand, whose third packet waits until it is told to go. The host answers the SYN-ACK to nobody by an RST, which does nothing to a listener
 * that gave a cookie: it has no request.
 */
struct segment {
	uint16_t source, destination;
	uint32_t sequence, acknowledgement;
	uint8_t data_offset, flags;
	uint16_t window, checksum, urgent;
};

#define FIRST_RAW_PORT 20000
static int raw = -1;
static bool raw_ipv4;
static struct segment answers[SOCKETS_MAX];
static int answer_count;

static uint16_t ipv4_checksum(const struct segment *segment)
{
	/* The pseudo header (RFC 9293 §3.1): 127.0.0.1 twice, the protocol and the length. */
	uint32_t sum = 2 * (0x7f00 + 0x0001) + IPPROTO_TCP + sizeof(*segment);
	const uint16_t *words = (const void *)segment;

	for (size_t i = 0; i < sizeof(*segment) / 2; i++)
		sum += ntohs(words[i]);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

static void send_segment(int port, uint32_t sequence, uint32_t acknowledgement, uint8_t flags)
{
	struct segment segment = {.source = htons((uint16_t)port), .destination = htons(PORT), .sequence = htonl(sequence),
				  .acknowledgement = htonl(acknowledgement), .data_offset = 5 << 4, .flags = flags, .window = htons(0xffff)};
	struct sockaddr_storage address;
	socklen_t length = fill_address(&address, raw_ipv4, false);

	if (raw_ipv4)
		segment.checksum = ipv4_checksum(&segment);
	else
		((struct sockaddr_in6 *)&address)->sin6_port = 0; /* raw(7): of other use */
	if (sendto(raw, &segment, sizeof(segment), 0, (struct sockaddr *)&address, length) != sizeof(segment))
		fail("raw send");
}

static void read_answers(int count)
{
	char packet[256];

	while (answer_count < count) {
		struct pollfd waiting = {.fd = raw, .events = POLLIN};
		struct segment *segment = (void *)(packet + (raw_ipv4 ? 20 : 0));

		if (poll(&waiting, 1, 2000) <= 0)
			return;
		if (recv(raw, packet, sizeof(packet), 0) >= (ssize_t)sizeof(*segment) && segment->source == htons(PORT) && (segment->flags & 0x12) == 0x12)
			answers[answer_count++] = *segment;
	}
}

static void send_cookie_syns(bool ipv4, int count)
{
	int checksum_offset = offsetof(struct segment, checksum);

	raw_ipv4 = ipv4;
	raw = socket(ipv4 ? AF_INET : AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_TCP);
	if (raw < 0 || (!ipv4 && setsockopt(raw, IPPROTO_IPV6, IPV6_CHECKSUM, &checksum_offset, sizeof(checksum_offset))))
		fail("raw socket");
	for (int i = 0; i < count; i++)
		send_segment(FIRST_RAW_PORT + i, 1000U * (uint32_t)i, 0, 0x02);
	read_answers(count);
	printf("%d\n", answer_count);
}

static void send_cookie_acks(void)
{
	for (int i = 0; i < answer_count; i++)
		send_segment(ntohs(answers[i].destination), ntohl(answers[i].acknowledgement), ntohl(answers[i].sequence) + 1, 0x10);
	puts("ok");
}

static bool is_connected(int client)
{
	struct tcp_info info;
	socklen_t length = sizeof(info);

	return !getsockopt(client, IPPROTO_TCP, TCP_INFO, &info, &length) && info.tcpi_state == TCP_ESTABLISHED;
}

static int connected(void)
{
	int count = 0;

	for (int i = 0; i < client_count; i++)
		count += is_connected(clients[i]);
	return count;
}

static void await(int milliseconds)
{
	for (; milliseconds > 0 && connected() < client_count; milliseconds -= 10)
		poll(NULL, 0, 10);
	printf("%d\n", connected());
}

static void accept_some(int count)
{
	while (count--) {
		struct pollfd waiting[SOCKETS_MAX];
		int i;

		for (i = 0; i < listener_count; i++)
			waiting[i] = (struct pollfd){.fd = listeners[i], .events = POLLIN};
		if (poll(waiting, (nfds_t)listener_count, 10000) <= 0)
			fail("nobody to accept");
		for (i = 0; i < listener_count && !waiting[i].revents; i++)
			;
		remember(accepted, &accepted_count, accept4(listeners[i], NULL, NULL, SOCK_CLOEXEC));
	}
}

static void close_all(int *list, int *count, bool reset)
{
	const struct linger linger = {.l_onoff = 1};

	while (*count) {
		int descriptor = list[--*count];

		if (reset)
			setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
		close(descriptor);
	}
}

static void stay_healthy(int count)
{
	struct sockaddr_storage address;
	socklen_t length = fill_address(&address, true, false);

	while (count--) {
		int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

		if (client < 0 || connect(client, (struct sockaddr *)&address, length))
			fail("connect");
		accept_some(1);
		close_all(accepted, &accepted_count, true);
		close(client);
	}
	puts("ok");
}

/* Two lines of names and values (net/ipv4/proc.c netstat_seq_show). */
static void print_counters(void)
{
	char names[8192] = "", values[8192] = "", *name, *value, *names_left, *values_left;
	FILE *netstat = fopen("/proc/self/net/netstat", "re");

	while (netstat && fgets(names, sizeof(names), netstat) && fgets(values, sizeof(values), netstat) && strncmp(names, "TcpExt:", 7))
		;
	if (netstat)
		fclose(netstat);
	name = strtok_r(names, " \n", &names_left);
	value = strtok_r(values, " \n", &values_left);
	printf("{");
	for (bool first = true; (name = strtok_r(NULL, " \n", &names_left)) && (value = strtok_r(NULL, " \n", &values_left)); first = false)
		printf("%s\"%s\":%s", first ? "" : ",", name, value);
	printf("}\n");
}

static void obey(char *line)
{
	char *left, *verb = strtok_r(line, " \n", &left), *first = strtok_r(NULL, " \n", &left), *second = strtok_r(NULL, " \n", &left);
	int number = second ? atoi(second) : first ? atoi(first) : 0;

	if (!verb)
		return;
	if (!strcmp(verb, "listen") && second) {
		start_listening(first, number);
	} else if (!strcmp(verb, "set") && second) {
		set(first, second);
		puts("ok");
	} else if ((!strcmp(verb, "connect") || !strcmp(verb, "deaf")) && second) {
		begin_connections(!strcmp(first, "ipv4"), number, !strcmp(verb, "deaf"));
	} else if (!strcmp(verb, "lose-syns")) {
		for (int i = 0; i < listener_count; i++)
			lose(listeners[i], 0x02);
		puts("ok");
	} else if (!strcmp(verb, "hear")) {
		hear();
	} else if (!strcmp(verb, "cookie-syn") && second) {
		send_cookie_syns(!strcmp(first, "ipv4"), number);
	} else if (!strcmp(verb, "cookie-ack")) {
		send_cookie_acks();
	} else if (!strcmp(verb, "await")) {
		await(number);
	} else if (!strcmp(verb, "say")) {
		for (int i = 0; i < client_count; i++)
			send(clients[i], "x", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
		puts("ok");
	} else if (!strcmp(verb, "accept")) {
		accept_some(number);
		puts("ok");
	} else if (!strcmp(verb, "health")) {
		stay_healthy(number);
	} else if (!strcmp(verb, "reset")) {
		close_all(clients, &client_count, true);
		puts("ok");
	} else if (!strcmp(verb, "close")) {
		close_all(listeners, &listener_count, false);
		puts("ok");
	} else if (!strcmp(verb, "sleep")) {
		poll(NULL, 0, number);
		puts("ok");
	} else if (!strcmp(verb, "counters")) {
		print_counters();
	} else {
		fprintf(stderr, "listener-traffic: no command %s\n", verb);
		exit(2);
	}
}

int main(void)
{
	struct stat namespace;
	char line[256];

	enter_namespace();
	if (stat("/proc/self/ns/net", &namespace))
		fail("/proc/self/ns/net");
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("{\"netns\":%lu,\"pid\":%d,\"port\":%d}\n", (unsigned long)namespace.st_ino, getpid(), PORT);
	while (fgets(line, sizeof(line), stdin))
		obey(line);
	return 0;
}
