// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * The load of bench:probe: connect, accept, close on 127.0.0.1 for a given time, by one thread per CPU that is client and server in turns:
 * the handshake is done when connect() returns, so nobody waits for anybody, and the CPUs are busy with connections alone. Prints how
 * many were made, and in how many seconds, as JSON. In a network namespace of its own, and to one address of 127.0.0.0/28 after another, so
 * that TIME_WAIT does not use up the ports.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CPUS_MAX 64
#define ADDRESSES 15

struct worker {
	pthread_t thread;
	int cpu;
	double seconds;
	unsigned long connections;
};

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

static void *run(void *context)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_ANY)};
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t length = sizeof(address);
	struct worker *worker = context;
	double end;

	pin(worker->cpu);
	if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof(address)) || listen(listener, 16) ||
	    getsockname(listener, (struct sockaddr *)&address, &length))
		fail("listen");
	end = now() + worker->seconds;
	while (now() < end) {
		int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), accepted;

		address.sin_addr.s_addr = htonl(INADDR_LOOPBACK + worker->connections % ADDRESSES);
		if (client < 0 || connect(client, (struct sockaddr *)&address, sizeof(address)))
			fail("connect");
		accepted = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (accepted < 0)
			fail("accept");
		close(client);
		close(accepted);
		worker->connections++;
	}
	return NULL;
}

int main(int count, char **arguments)
{
	double seconds = count == 2 ? atof(arguments[1]) : 0, began;
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	struct worker workers[CPUS_MAX] = {};
	unsigned long connections = 0;

	if (seconds <= 0 || seconds > 60) {
		fprintf(stderr, "Usage: loopback SECONDS (at most 60)\n");
		return 2;
	}
	cpus = cpus > CPUS_MAX ? CPUS_MAX : cpus;
	enter_namespace();
	began = now();
	for (int cpu = 0; cpu < cpus; cpu++) {
		workers[cpu].cpu = cpu;
		workers[cpu].seconds = seconds;
		if (pthread_create(&workers[cpu].thread, NULL, run, &workers[cpu]))
			fail("pthread_create");
	}
	for (int cpu = 0; cpu < cpus; cpu++) {
		pthread_join(workers[cpu].thread, NULL);
		connections += workers[cpu].connections;
	}
	printf("{\"connections\":%lu,\"seconds\":%.6f}\n", connections, now() - began);
	return 0;
}
