/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A TCP client or server that tells when its own system calls began and returned: an account of each handshake that owes nothing to
 * the probe. Times are CLOCK_MONOTONIC in microseconds. It lives until its stdin closes, then closes its connections and ends.
 *
 *   endpoint client [OPTIONS] ADDRESS PORT     --count N           connections, each from its own thread (1)
 *                                              --interval-us N     between their starts (0)
 *                                              --give-up-ms N      non-blocking connect, closed unanswered after N ms
 *                                              --close             close each connection as soon as it is established
 *   endpoint server [OPTIONS] ADDRESS PORT     --backlog N         of listen() (128)
 *                                              --accept-delay-ms N wait so long before each accept() (0)
 *                                              PORT 0: any free one, told by the `listening` line
 *   both                                       --netns PATH        network namespace to enter first
 *                                              --name NAME         process name, as in /proc/PID/comm
 *                                              --real-time         real-time priority: what it tells of a system call's return is
 *                                                                  then exact on a busy machine, too
 */
#include "clock.h"
#include "output.h"
#include "process.h"
#include "socket-address.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS_MAX 1024
/* Of the server's poll set: behind stdin, the listening socket and stdout. */
#define FIRST_CONNECTION 3

struct options {
	struct socket_address address;
	int count, interval_us, give_up_ms, backlog, accept_delay_ms;
	bool close_at_once;
};

static struct options options = { .count = 1, .give_up_ms = -1, .backlog = 128 };
static pthread_mutex_t output_mutex = PTHREAD_MUTEX_INITIALIZER;

static int new_socket(void)
{
	int descriptor = socket(options.address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (descriptor < 0)
		fail("socket");
	return descriptor;
}

/* Returns the error of a non-blocking connect, or ETIMEDOUT after closing nothing: the caller closes. */
static int await_answer(int socket, bool *gave_up)
{
	struct pollfd descriptor = { .fd = socket, .events = POLLOUT };
	socklen_t length = sizeof(int);
	int error = 0;

	*gave_up = poll(&descriptor, 1, options.give_up_ms) == 0;
	if (!*gave_up && getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &length) < 0)
		fail("getsockopt");
	return error;
}

static void *run_connection(void *argument)
{
	int index = (int)(intptr_t)argument, error = 0, descriptor = new_socket();
	bool gave_up = false;
	uint64_t started, ended, closed = 0;
	char local[ADDRESS_TEXT_SIZE];

	if (options.give_up_ms >= 0)
		fcntl(descriptor, F_SETFL, O_NONBLOCK);
	started = monotonic_ns();
	if (connect(descriptor, (struct sockaddr *)&options.address.storage, options.address.length) < 0)
		error = errno;
	if (error == EINPROGRESS)
		error = await_answer(descriptor, &gave_up);
	ended = monotonic_ns();
	describe_local(descriptor, local, sizeof(local));
	if (gave_up || error || options.close_at_once) {
		close(descriptor);
		closed = monotonic_ns();
	}
	pthread_mutex_lock(&output_mutex);
	output_line("{\"event\":\"connect\",\"index\":%d,\"startedUs\":%.3f,\"endedUs\":%.3f,\"closedUs\":%.3f,"
		    "\"error\":\"%s\",\"gaveUp\":%s,\"local\":%s}",
		    index, started / 1e3, ended / 1e3, closed / 1e3, error ? strerrorname_np(error) : "", gave_up ? "true" : "false",
		    local);
	output_drain();
	pthread_mutex_unlock(&output_mutex);
	return NULL;
}

static void await_end_of_input(void)
{
	char ignored[256];

	while (read(STDIN_FILENO, ignored, sizeof(ignored)) > 0)
		;
}

static void run_client(void)
{
	struct timespec interval = { options.interval_us / 1000000, options.interval_us % 1000000 * 1000L };
	pthread_t thread;

	for (int i = 0; i < options.count; i++) {
		if (i > 0 && options.interval_us > 0)
			nanosleep(&interval, NULL);
		if ((errno = pthread_create(&thread, NULL, run_connection, (void *)(intptr_t)i)))
			fail("start thread");
		pthread_detach(thread);
	}
	await_end_of_input();
}

/* accept() of the connection at the head of the queue. Returns the descriptor. */
static int accept_one(int listener, uint64_t noticed)
{
	struct sockaddr_storage peer = { 0 };
	socklen_t length = sizeof(peer);
	char local[ADDRESS_TEXT_SIZE], remote[ADDRESS_TEXT_SIZE];
	uint64_t called = monotonic_ns();
	int connection = accept4(listener, (struct sockaddr *)&peer, &length, SOCK_CLOEXEC);
	uint64_t accepted = monotonic_ns();

	if (connection < 0)
		fail("accept");
	describe_local(connection, local, sizeof(local));
	describe_address(&peer, remote, sizeof(remote));
	output_line("{\"event\":\"accept\",\"noticedUs\":%.3f,\"calledUs\":%.3f,\"acceptedUs\":%.3f,\"local\":%s,\"remote\":%s}",
		    noticed / 1e3, called / 1e3, accepted / 1e3, local, remote);
	return connection;
}

static int listen_at_address(void)
{
	int listener = new_socket(), yes = 1;
	char local[ADDRESS_TEXT_SIZE];

	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (bind(listener, (struct sockaddr *)&options.address.storage, options.address.length) < 0)
		fail("bind");
	if (listen(listener, options.backlog) < 0)
		fail("listen");
	describe_local(listener, local, sizeof(local));
	output_line("{\"event\":\"listening\",\"local\":%s}", local);
	return listener;
}

static void run_server(void)
{
	static struct pollfd descriptors[FIRST_CONNECTION + CONNECTIONS_MAX];
	nfds_t count = FIRST_CONNECTION;
	uint64_t noticed = 0;

	descriptors[0] = (struct pollfd){ .fd = STDIN_FILENO, .events = POLLIN };
	descriptors[1] = (struct pollfd){ .fd = listen_at_address(), .events = POLLIN };
	descriptors[2] = (struct pollfd){ .fd = STDOUT_FILENO };
	for (;;) {
		int timeout = -1;

		output_flush();
		if (noticed) { /* a connection waits in the accept queue: let it wait for the rest of its time */
			int64_t left = options.accept_delay_ms - (int64_t)((monotonic_ns() - noticed) / 1000000);

			timeout = left > 0 ? (int)left : 0;
		}
		descriptors[1].events = noticed ? 0 : POLLIN;
		descriptors[2].events = output_pending() ? POLLOUT : 0;
		if (poll(descriptors, count, timeout) < 0 && errno != EINTR)
			fail("poll");
		if (descriptors[0].revents)
			break;
		for (nfds_t i = FIRST_CONNECTION; i < count; i++) {
			char ignored[4096];

			if (descriptors[i].revents && read(descriptors[i].fd, ignored, sizeof(ignored)) <= 0) {
				close(descriptors[i].fd);
				descriptors[i--] = descriptors[--count];
			}
		}
		if (!noticed && descriptors[1].revents)
			noticed = monotonic_ns();
		if (noticed && monotonic_ns() - noticed >= options.accept_delay_ms * 1000000ULL) {
			if (count == FIRST_CONNECTION + CONNECTIONS_MAX) {
				fprintf(stderr, "endpoint: more than %d connections\n", CONNECTIONS_MAX);
				exit(1);
			}
			descriptors[count++] = (struct pollfd){ .fd = accept_one(descriptors[1].fd, noticed), .events = POLLIN };
			noticed = 0;
		}
	}
	output_drain();
}

static void parse_options(int argc, char **argv)
{
	static const struct option known[] = {
		{ "count", required_argument, NULL, 'c' },	     { "interval-us", required_argument, NULL, 'i' },
		{ "give-up-ms", required_argument, NULL, 'g' },	     { "close", no_argument, NULL, 'x' },
		{ "backlog", required_argument, NULL, 'b' },	     { "netns", required_argument, NULL, 'n' },
		{ "accept-delay-ms", required_argument, NULL, 'a' }, { "name", required_argument, NULL, 'm' },
		{ "real-time", no_argument, NULL, 'r' },	     { 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (option) {
		case 'c': options.count = atoi(optarg); break;
		case 'i': options.interval_us = atoi(optarg); break;
		case 'g': options.give_up_ms = atoi(optarg); break;
		case 'x': options.close_at_once = true; break;
		case 'b': options.backlog = atoi(optarg); break;
		case 'a': options.accept_delay_ms = atoi(optarg); break;
		case 'n': enter_namespace(optarg); break;
		case 'r': take_precedence(); break;
		case 'm': prctl(PR_SET_NAME, optarg); break;
		default: exit(2);
		}
	}
}

int main(int argc, char **argv)
{
	bool client = argc > 1 && strcmp(argv[1], "client") == 0;

	if (!client && (argc < 2 || strcmp(argv[1], "server") != 0)) {
		fprintf(stderr, "usage: endpoint client|server [OPTIONS] ADDRESS PORT\n");
		return 2;
	}
	prctl(PR_SET_TIMERSLACK, 1);
	parse_options(argc - 1, argv + 1);
	if (argc - 1 - optind != 2) {
		fprintf(stderr, "usage: endpoint client|server [OPTIONS] ADDRESS PORT\n");
		return 2;
	}
	options.address = parse_address(argv[optind + 1], argv[optind + 2]);
	if (client)
		run_client();
	else
		run_server();
	return 0;
}
