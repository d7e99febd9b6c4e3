// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * The load of bench:probe: connect, accept, close on 127.0.0.1, one client thread and one server thread, for a given time. Prints how
 * many connections were made, and in how many seconds, as JSON. The server closes with RST (SO_LINGER 0), so that no TIME_WAIT uses up
 * the ports.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BACKLOG 4096
/* A connect() that waits this long has lost its SYN: the run is void. */
#define LOST_SYN_SECONDS 0.5

static void fail(const char *what)
{
	fprintf(stderr, "loopback: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void pin(int cpu)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET((unsigned int)cpu, &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus);
}

static void *serve(void *context)
{
	const struct linger reset = {.l_onoff = 1, .l_linger = 0};
	int listener = *(int *)context, accepted;

	pin(1);
	while ((accepted = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		setsockopt(accepted, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		close(accepted);
	}
	return NULL;
}

int main(int count, char **arguments)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(address);
	double seconds = count == 2 ? atof(arguments[1]) : 0, began, at, slowest = 0;
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	unsigned long connections = 0;
	pthread_t server;

	if (seconds <= 0 || seconds > 60) {
		fprintf(stderr, "Usage: loopback SECONDS (at most 60)\n");
		return 2;
	}
	if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof(address)) || listen(listener, BACKLOG))
		fail("listen");
	if (getsockname(listener, (struct sockaddr *)&address, &length))
		fail("getsockname");
	pthread_create(&server, NULL, serve, &listener);
	pin(0);
	for (at = began = now(); at - began < seconds; connections++) {
		int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		double after;

		/* ECONNRESET: the server was done before connect() returned. */
		if (client < 0 || (connect(client, (struct sockaddr *)&address, sizeof(address)) && errno != ECONNRESET))
			fail("connect");
		close(client);
		after = now();
		slowest = after - at > slowest ? after - at : slowest;
		at = after;
	}
	shutdown(listener, SHUT_RDWR);
	pthread_join(server, NULL);
	printf("{\"connections\":%lu,\"seconds\":%.6f,\"lostSyn\":%s}\n", connections, at - began, slowest > LOST_SYN_SECONDS ? "true" : "false");
	return 0;
}
