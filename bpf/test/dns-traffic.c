// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * A DNS client and a resolver, two processes in a network namespace of their own, that do with their sockets what they are told, for the tests of the
 * probe. The messages come from outside, so that whoever tells knows them.
 *
 * First a line: {"netns":inode,"client":pid,"resolver":pid}. Then each line of stdin is "client COMMAND" or "resolver COMMAND", and each line of stdout
 * its answer: {"beganNs":n,"doneNs":n,"value":n}, times CLOCK_MONOTONIC around the system call. Sockets have letters for names.
 *
 *   open S udp4|udp6|tcp4|tcp6
 *   bind S ADDRESS PORT           a TCP socket also listens
 *   connect S ADDRESS PORT
 *   accept S LISTENER
 *   send S HEX [ADDRESS PORT]
 *   reply S HEX                   to whom S heard of last
 *   receive S                     value: bytes; waits for the first
 *   close S
 *   small S                       the smallest receive buffer that the kernel gives
 *   deaf S                        what comes is lost, after the cgroup's programs have seen it
 *   hear S                        no longer
 *   multicast S GROUP             joins the IPv4 group on the loopback, and sends there
 *   mtu BYTES                     of the loopback
 *   wait MILLISECONDS
 *   dropped udp4|udp6             value: RcvbufErrors of the namespace (RFC 4113 counts them in udpInErrors)
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_MS 10000
#define MESSAGE_MAX 65536
#define LINE_MAX_BYTES (2 * MESSAGE_MAX + 256)

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static struct named_socket {
	int descriptor;
	int family;
	int type;
	union address peer; /* whom it heard of last */
	socklen_t peer_length;
} sockets[26];

static unsigned char message[MESSAGE_MAX];
static char line[LINE_MAX_BYTES];

static void fail(const char *what)
{
	fprintf(stderr, "dns-traffic: %.200s: %s\n", what, strerror(errno));
	exit(1);
}

static unsigned long long now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (unsigned long long)now.tv_sec * 1000000000ULL + (unsigned long long)now.tv_nsec;
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

/* ── Commands ───────────────────────────────────────────────────────────────────────────────────────────────────────── */

static const char *word(void)
{
	const char *next = strtok(NULL, " \n");

	if (!next) {
		errno = EINVAL;
		fail("a word is missing");
	}
	return next;
}

static struct named_socket *named(void)
{
	const char *name = word();

	if (*name < 'a' || *name > 'z' || name[1]) {
		errno = EINVAL;
		fail(name);
	}
	return &sockets[*name - 'a'];
}

static socklen_t read_address(const struct named_socket *socket, const char *text, const char *port, union address *address)
{
	bool is_ipv4 = socket->family == AF_INET;
	void *bytes = is_ipv4 ? (void *)&address->v4.sin_addr : (void *)&address->v6.sin6_addr;

	memset(address, 0, sizeof(*address));
	address->any.sa_family = (sa_family_t)socket->family;
	/* The same place in both: include/uapi/linux/in.h, in6.h. */
	address->v4.sin_port = htons((uint16_t)atoi(port));
	if (inet_pton(socket->family, text, bytes) != 1)
		fail(text);
	return is_ipv4 ? sizeof(address->v4) : sizeof(address->v6);
}

static size_t read_message(void)
{
	const char *hex = word();
	size_t length = strlen(hex) / 2;

	for (size_t i = 0; i < length; i++)
		if (sscanf(hex + 2 * i, "%2hhx", &message[i]) != 1)
			fail("no message in hexadecimal");
	return length;
}

static long local_port(const struct named_socket *socket)
{
	union address own = {};
	socklen_t length = sizeof(own);

	if (getsockname(socket->descriptor, &own.any, &length))
		fail("getsockname");
	return ntohs(own.v4.sin_port);
}

static long open_socket(void)
{
	struct named_socket *opened = named();
	const char *kind = word();
	const int on = 1;

	opened->type = strncmp(kind, "tcp", 3) ? SOCK_DGRAM : SOCK_STREAM;
	opened->family = kind[3] == '4' ? AF_INET : AF_INET6;
	opened->descriptor = socket(opened->family, opened->type | SOCK_CLOEXEC, 0);
	if (opened->descriptor < 0)
		fail("socket");
	if (opened->type == SOCK_STREAM && setsockopt(opened->descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)))
		fail("TCP_NODELAY");
	return 0;
}

static long bind_socket(void)
{
	struct named_socket *bound = named();
	const char *text = word();
	union address address;
	socklen_t length = read_address(bound, text, word(), &address);

	if (bind(bound->descriptor, &address.any, length) || (bound->type == SOCK_STREAM && listen(bound->descriptor, 16)))
		fail("bind");
	return local_port(bound);
}

static long connect_socket(void)
{
	struct named_socket *connected = named();
	const char *text = word();
	union address address;
	socklen_t length = read_address(connected, text, word(), &address);

	if (connect(connected->descriptor, &address.any, length))
		fail("connect");
	return local_port(connected);
}

static void await(const struct named_socket *socket)
{
	struct pollfd readable = {.fd = socket->descriptor, .events = POLLIN};

	if (poll(&readable, 1, PATIENCE_MS) != 1) {
		errno = ETIMEDOUT;
		fail("nothing came");
	}
}

static long accept_socket(void)
{
	struct named_socket *accepted = named();
	const struct named_socket *listener = named();
	const int on = 1;

	await(listener);
	*accepted = *listener;
	accepted->descriptor = accept4(listener->descriptor, NULL, NULL, SOCK_CLOEXEC);
	if (accepted->descriptor < 0 || setsockopt(accepted->descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)))
		fail("accept");
	return 0;
}

static void send_message(const struct named_socket *from, size_t length, const union address *to, socklen_t to_length)
{
	if (sendto(from->descriptor, message, length, MSG_NOSIGNAL, to ? &to->any : NULL, to_length) != (ssize_t)length)
		fail("send");
}

static long send_from_socket(void)
{
	const struct named_socket *from = named();
	size_t length = read_message();
	const char *text = strtok(NULL, " \n");
	union address address;
	socklen_t address_length = text ? read_address(from, text, word(), &address) : 0;

	send_message(from, length, text ? &address : NULL, address_length);
	return local_port(from);
}

static long reply_from_socket(void)
{
	const struct named_socket *from = named();
	size_t length = read_message();

	send_message(from, length, &from->peer, from->peer_length);
	return (long)length;
}

static long receive_by_socket(void)
{
	struct named_socket *by = named();
	ssize_t length;

	await(by);
	by->peer_length = sizeof(by->peer);
	length = recvfrom(by->descriptor, message, sizeof(message), 0, &by->peer.any, &by->peer_length);
	if (length < 0)
		fail("receive");
	return length;
}

static long close_socket(void)
{
	return close(named()->descriptor);
}

static long make_small(void)
{
	const int least = 0; /* the kernel raises it to SOCK_MIN_RCVBUF, include/net/sock.h */

	if (setsockopt(named()->descriptor, SOL_SOCKET, SO_RCVBUF, &least, sizeof(least)))
		fail("SO_RCVBUF");
	return 0;
}

static long make_deaf(void)
{
	struct sock_filter nothing[] = {BPF_STMT(BPF_RET | BPF_K, 0)};
	struct sock_fprog filter = {.len = 1, .filter = nothing};

	if (setsockopt(named()->descriptor, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)))
		fail("SO_ATTACH_FILTER");
	return 0;
}

static long make_hear(void)
{
	const int unused = 0;

	if (setsockopt(named()->descriptor, SOL_SOCKET, SO_DETACH_FILTER, &unused, sizeof(unused)))
		fail("SO_DETACH_FILTER");
	return 0;
}

static long join(void)
{
	const struct named_socket *joining = named();
	struct ip_mreq group = {.imr_interface.s_addr = htonl(INADDR_LOOPBACK)};

	if (inet_pton(AF_INET, word(), &group.imr_multiaddr) != 1 ||
	    setsockopt(joining->descriptor, IPPROTO_IP, IP_MULTICAST_IF, &group.imr_interface, sizeof(group.imr_interface)) ||
	    setsockopt(joining->descriptor, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof(group)))
		fail("multicast");
	return 0;
}

static long limit_packets(void)
{
	struct ifreq loopback = {.ifr_name = "lo", .ifr_mtu = atoi(word())};
	int any = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (any < 0 || ioctl(any, SIOCSIFMTU, &loopback))
		fail("lo mtu");
	return close(any);
}

static long wait_milliseconds(void)
{
	return poll(NULL, 0, atoi(word()));
}

/* /proc/net/snmp has a line of names before each line of numbers; /proc/net/snmp6 one of each per line. */
static long dropped_ipv4(FILE *statistics)
{
	static char names[2048], values[2048];
	char *name, *value, *names_rest, *values_rest;

	while (fgets(names, sizeof(names), statistics) && fgets(values, sizeof(values), statistics)) {
		if (strncmp(names, "Udp: ", 5))
			continue;
		name = strtok_r(names, " \n", &names_rest);
		value = strtok_r(values, " \n", &values_rest);
		while (name && value && strcmp(name, "RcvbufErrors")) {
			name = strtok_r(NULL, " \n", &names_rest);
			value = strtok_r(NULL, " \n", &values_rest);
		}
		return value ? atol(value) : -1;
	}
	return -1;
}

static long dropped_ipv6(FILE *statistics)
{
	char name[64];
	long value;

	while (fscanf(statistics, "%63s %ld", name, &value) == 2)
		if (!strcmp(name, "Udp6RcvbufErrors"))
			return value;
	return -1;
}

static long dropped(void)
{
	bool is_ipv4 = !strcmp(word(), "udp4");
	FILE *statistics = fopen(is_ipv4 ? "/proc/self/net/snmp" : "/proc/self/net/snmp6", "re");
	long value;

	if (!statistics)
		fail("/proc/self/net/snmp");
	value = is_ipv4 ? dropped_ipv4(statistics) : dropped_ipv6(statistics);
	fclose(statistics);
	return value;
}

static const struct command {
	const char *name;
	long (*run)(void);
} commands[] = {
	{"open", open_socket},     {"bind", bind_socket},         {"connect", connect_socket},
	{"accept", accept_socket}, {"send", send_from_socket},    {"reply", reply_from_socket},
	{"close", close_socket},   {"receive", receive_by_socket}, {"small", make_small},
	{"multicast", join},       {"mtu", limit_packets},        {"wait", wait_milliseconds},
	{"dropped", dropped},      {"deaf", make_deaf},           {"hear", make_hear},
};

/* Takes the next word as the command, and prints its answer. */
static void run(FILE *answers)
{
	const char *name = word();

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		unsigned long long began_ns = now_ns();
		long value;

		if (strcmp(name, commands[i].name))
			continue;
		value = commands[i].run();
		fprintf(answers, "{\"beganNs\":%llu,\"doneNs\":%llu,\"value\":%ld}\n", began_ns, now_ns(), value);
		fflush(answers);
		return;
	}
	errno = EINVAL;
	fail(name);
}

/* ── Two processes ──────────────────────────────────────────────────────────────────────────────────────────────────── */

struct resolver {
	pid_t pid;
	FILE *commands;
	FILE *answers;
};

static void serve(int commands, int answers)
{
	FILE *from = fdopen(commands, "r"), *to = fdopen(answers, "w");

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) || prctl(PR_SET_NAME, "dns-resolver"))
		fail("prctl");
	while (fgets(line, sizeof(line), from)) {
		strtok(line, " ");
		run(to);
	}
	exit(0);
}

static struct resolver start_resolver(void)
{
	struct resolver resolver;
	int to_resolver[2], from_resolver[2];

	if (pipe(to_resolver) || pipe(from_resolver))
		fail("pipe");
	resolver.pid = fork();
	if (!resolver.pid) {
		close(to_resolver[1]);
		serve(to_resolver[0], from_resolver[1]);
	}
	close(to_resolver[0]);
	close(from_resolver[1]);
	resolver.commands = fdopen(to_resolver[1], "w");
	resolver.answers = fdopen(from_resolver[0], "r");
	return resolver;
}

static void forward(const struct resolver *resolver)
{
	fputs(line, resolver->commands);
	fflush(resolver->commands);
	if (!fgets(line, sizeof(line), resolver->answers)) {
		errno = EPIPE;
		fail("the resolver has ended");
	}
	fputs(line, stdout);
	fflush(stdout);
}

int main(void)
{
	struct resolver resolver;
	struct stat namespace;

	enter_namespace();
	if (stat("/proc/self/ns/net", &namespace))
		fail("/proc/self/ns/net");
	resolver = start_resolver();
	printf("{\"netns\":%lu,\"client\":%d,\"resolver\":%d}\n", (unsigned long)namespace.st_ino, getpid(), resolver.pid);
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		if (!strncmp(line, "resolver ", 9)) {
			forward(&resolver);
		} else {
			strtok(line, " ");
			run(stdout);
		}
	}
	return 0;
}
