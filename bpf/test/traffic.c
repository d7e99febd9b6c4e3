// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * One handshake of a chosen kind on the loopback of a network namespace of its own, for the tests of the probe. Prints what happened,
 * as JSON: {"netns":inode,"listenPort":n,"pid":n,"connectNs":n,"doneNs":n,"error":errno,
 * "initialWindow":bytes}; times are CLOCK_MONOTONIC around connect(), the window is the accepted socket's (0 if there was none).
 * Packets are lost by socket filters, which see each segment from its TCP header on and drop it by returning 0.
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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PORT 7000
#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif
#define FLAG_ACK 0x10
#define FLAG_SYN 0x02

static unsigned long long connect_ns, done_ns;
static int connect_error;
static unsigned int initial_window;

static void fail(const char *what)
{
	fprintf(stderr, "traffic: %s: %s\n", what, strerror(errno));
	exit(1);
}

static unsigned long long now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (unsigned long long)now.tv_sec * 1000000000ULL + (unsigned long long)now.tv_nsec;
}

static void wait_ms(int milliseconds)
{
	poll(NULL, 0, milliseconds);
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
	int any = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	close(any);
	if (unshare(CLONE_NEWNET))
		fail("unshare");
	any = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (any < 0 || ioctl(any, SIOCSIFFLAGS, &loopback))
		fail("lo up");
	close(any);
}

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static union address loopback(int family, int port)
{
	union address address = {.any.sa_family = (sa_family_t)family};

	if (family == AF_INET) {
		address.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		address.v4.sin_port = htons((uint16_t)port);
	} else {
		address.v6.sin6_addr = in6addr_loopback;
		address.v6.sin6_port = htons((uint16_t)port);
	}
	return address;
}

static int open_listener(int family, int protocol)
{
	union address address = loopback(family, PORT);
	int listener = socket(family, SOCK_STREAM | SOCK_CLOEXEC, protocol);

	if (listener < 0 || bind(listener, &address.any, sizeof(address)) || listen(listener, 16))
		fail("listen");
	return listener;
}

static int open_client(int family, int protocol)
{
	int client = socket(family, SOCK_STREAM | SOCK_CLOEXEC, protocol);

	if (client < 0)
		fail("socket");
	return client;
}

static void try_connect(int client, int family, int port)
{
	union address address = loopback(family, port);

	connect_ns = now_ns();
	connect_error = connect(client, &address.any, sizeof(address)) ? errno : 0;
	done_ns = now_ns();
}

static int take(int listener)
{
	int accepted = accept(listener, NULL, NULL);
	struct tcp_info info = {};
	socklen_t length = sizeof(info);

	if (accepted < 0)
		fail("accept");
	if (!getsockopt(accepted, IPPROTO_TCP, TCP_INFO, &info, &length))
		initial_window = info.tcpi_rcv_ssthresh;
	return accepted;
}

/* Drops the segments whose flags, masked, are the given ones. */
static void drop(int socket, unsigned int mask, unsigned int flags)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 13),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, mask),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, flags, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_RET | BPF_K, 0xffff),
	};
	struct sock_fprog filter = {.len = sizeof(code) / sizeof(code[0]), .filter = code};

	if (setsockopt(socket, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)))
		fail("SO_ATTACH_FILTER");
}

static void established(int family)
{
	int listener = open_listener(family, 0), client = open_client(family, 0);

	try_connect(client, family, PORT);
	close(take(listener));
}

static void slow_accept(void)
{
	int listener = open_listener(AF_INET, 0), client = open_client(AF_INET, 0);

	try_connect(client, AF_INET, PORT);
	wait_ms(200);
	close(take(listener));
}

static void dual_stack(void)
{
	union address any = {.v6 = {.sin6_family = AF_INET6, .sin6_port = htons(PORT)}};
	int listener = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0), client = open_client(AF_INET, 0);

	if (bind(listener, &any.any, sizeof(any.v6)) || listen(listener, 16))
		fail("listen");
	try_connect(client, AF_INET, PORT);
	close(take(listener));
}

static void refused(void)
{
	try_connect(open_client(AF_INET, 0), AF_INET, PORT);
}

/* A neighbour that answers no ARP: after the solicitations the host tells itself by ICMP (RFC 5737 addresses). */
static void unreachable(void)
{
	struct sockaddr_in nobody = {.sin_family = AF_INET, .sin_port = htons(PORT)};
	int client = open_client(AF_INET, 0);

	inet_pton(AF_INET, "192.0.2.2", &nobody.sin_addr);
	if (system("ip link add near type veth peer name far && ip address add 192.0.2.1/24 dev near && ip link set near up && ip link set far up"))
		fail("ip link");
	set("ipv4/neigh/near/mcast_solicit", "1");
	set("ipv4/neigh/near/retrans_time_ms", "100");
	connect_ns = now_ns();
	connect_error = connect(client, (struct sockaddr *)&nobody, sizeof(nobody)) ? errno : 0;
	done_ns = now_ns();
}

static void timed_out(void)
{
	int listener = open_listener(AF_INET, 0);

	set("ipv4/tcp_syn_retries", "1");
	drop(listener, 0, 0);
	try_connect(open_client(AF_INET, 0), AF_INET, PORT);
}

static void aborted(void)
{
	int listener = open_listener(AF_INET, 0), client = open_client(AF_INET, 0);

	drop(listener, 0, 0);
	fcntl(client, F_SETFL, O_NONBLOCK);
	try_connect(client, AF_INET, PORT);
	/* For tests that want to meet it in SYN_SENT. */
	fputs("SYN_SENT\n", stderr);
	wait_ms(100);
	close(client);
	done_ns = now_ns();
}

/* The client is deaf to the SYN-ACK: the server's request is retransmitted once and given up. */
static void request_timed_out(void)
{
	int listener = open_listener(AF_INET, 0), client = open_client(AF_INET, 0);

	(void)listener;
	set("ipv4/tcp_synack_retries", "1");
	set("ipv4/tcp_syn_retries", "1");
	set("ipv4/tcp_syn_linear_timeouts", "0");
	drop(client, FLAG_SYN | FLAG_ACK, FLAG_SYN | FLAG_ACK);
	try_connect(client, AF_INET, PORT);
	/* Until the request's second timeout has passed as well: 1 s + 2 s. */
	wait_ms(1000);
}

/* The client is gone when the retransmitted SYN-ACK comes: its host answers with RST. */
static void request_reset(void)
{
	int listener = open_listener(AF_INET, 0), client = open_client(AF_INET, 0);

	(void)listener;
	drop(client, FLAG_SYN | FLAG_ACK, FLAG_SYN | FLAG_ACK);
	fcntl(client, F_SETFL, O_NONBLOCK);
	try_connect(client, AF_INET, PORT);
	close(client);
	wait_ms(1300);
}

static void reset_before_accept(void)
{
	const struct linger reset = {.l_onoff = 1, .l_linger = 0};
	int listener = open_listener(AF_INET, 0), client = open_client(AF_INET, 0);

	(void)listener;
	try_connect(client, AF_INET, PORT);
	setsockopt(client, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(client);
}

static void listener_closed(void)
{
	int listener = open_listener(AF_INET, 0), client = open_client(AF_INET, 0);

	try_connect(client, AF_INET, PORT);
	close(listener);
}

static void never_accepted(void)
{
	int listener = open_listener(AF_INET, 0), client = open_client(AF_INET, 0);

	(void)listener;
	try_connect(client, AF_INET, PORT);
	/* Longer than the deadline that the test gives the probe. */
	wait_ms(2500);
}

static void syn_cookie(void)
{
	set("ipv4/tcp_syncookies", "2"); /* always */
	established(AF_INET);
}

static void fast_open(void)
{
	int queue = 16, pass;

	set("ipv4/tcp_fastopen", "3");
	for (pass = 0; pass < 2; pass++) {
		/* The first connection brings the cookie, the second uses it. */
		union address address = loopback(AF_INET, PORT + pass);
		int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), client = open_client(AF_INET, 0);

		if (bind(listener, &address.any, sizeof(address.v4)) || listen(listener, 16) ||
		    setsockopt(listener, IPPROTO_TCP, TCP_FASTOPEN, &queue, sizeof(queue)))
			fail("TCP_FASTOPEN");
		connect_ns = now_ns();
		if (sendto(client, "x", 1, MSG_FASTOPEN, &address.any, sizeof(address.v4)) != 1)
			fail("MSG_FASTOPEN");
		done_ns = now_ns();
		close(take(listener));
		close(client);
	}
}

static void mptcp(void)
{
	int listener = open_listener(AF_INET, IPPROTO_MPTCP), client = open_client(AF_INET, IPPROTO_MPTCP);

	try_connect(client, AF_INET, PORT);
	close(take(listener));
}

/* A socket that connects to its own address: its SYN meets itself in SYN_SENT (RFC 9293 §3.5). */
static void simultaneous_open(void)
{
	union address own = loopback(AF_INET, PORT);
	int client = open_client(AF_INET, 0);

	if (bind(client, &own.any, sizeof(own.v4)))
		fail("bind");
	try_connect(client, AF_INET, PORT);
}

static const struct scenario {
	const char *name;
	void (*run)(void);
} scenarios[] = {
	{"slow_accept", slow_accept},
	{"dual_stack", dual_stack},
	{"refused", refused},
	{"unreachable", unreachable},
	{"timed_out", timed_out},
	{"aborted", aborted},
	{"request_timed_out", request_timed_out},
	{"request_reset", request_reset},
	{"reset_before_accept", reset_before_accept},
	{"listener_closed", listener_closed},
	{"never_accepted", never_accepted},
	{"syn_cookie", syn_cookie},
	{"fast_open", fast_open},
	{"mptcp", mptcp},
	{"simultaneous_open", simultaneous_open},
};

static void run(const char *name)
{
	if (!strcmp(name, "established_ipv4")) {
		established(AF_INET);
		return;
	}
	if (!strcmp(name, "established_ipv6")) {
		established(AF_INET6);
		return;
	}
	for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++) {
		if (!strcmp(name, scenarios[i].name)) {
			scenarios[i].run();
			return;
		}
	}
	fprintf(stderr, "traffic: no scenario %s\n", name);
	exit(2);
}

int main(int count, char **arguments)
{
	struct stat namespace;

	if (count != 2) {
		fprintf(stderr, "Usage: traffic SCENARIO\n");
		return 2;
	}
	enter_namespace();
	if (stat("/proc/self/ns/net", &namespace))
		fail("/proc/self/ns/net");
	run(arguments[1]);
	printf("{\"netns\":%lu,\"listenPort\":%d,\"pid\":%d,\"connectNs\":%llu,\"doneNs\":%llu,\"error\":%d,\"initialWindow\":%u}\n",
	       (unsigned long)namespace.st_ino, PORT, getpid(), connect_ns, done_ns, connect_error, initial_window);
	return 0;
}
