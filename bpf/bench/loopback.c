// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * TCP on 127.0.0.1 for a given time, by one thread per CPU that is client and server in turns, so that nobody waits for anybody and the CPUs are
 * busy with this alone. Prints how often it was done, and in how many seconds, as JSON. In a network namespace of its own.
 *
 *   connections  connect, accept, close, to one address of 127.0.0.0/28 after another, so that TIME_WAIT does not use up the ports
 *   roundtrips   one byte there and one back
 *   bulk         32 KiB in one direction
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
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
#define BULK_BYTES (32 * 1024) /* below any receive window, so that nobody waits in send() for a reader */

struct ends {
	int listener;
	int client;
	int accepted;
	struct sockaddr_in address;
};

struct worker {
	pthread_t thread;
	int cpu;
	double seconds;
	void (*repeat)(struct ends *ends, unsigned long count);
	unsigned long count;
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

static void open_listener(struct ends *ends)
{
	socklen_t length = sizeof(ends->address);

	ends->address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_ANY)};
	ends->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (ends->listener < 0 || bind(ends->listener, (struct sockaddr *)&ends->address, sizeof(ends->address)) || listen(ends->listener, 16) ||
	    getsockname(ends->listener, (struct sockaddr *)&ends->address, &length))
		fail("listen");
}

static void open_connection(struct ends *ends, unsigned long count)
{
	ends->address.sin_addr.s_addr = htonl(INADDR_LOOPBACK + count % ADDRESSES);
	ends->client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (ends->client < 0 || connect(ends->client, (struct sockaddr *)&ends->address, sizeof(ends->address)))
		fail("connect");
	ends->accepted = accept4(ends->listener, NULL, NULL, SOCK_CLOEXEC);
	if (ends->accepted < 0)
		fail("accept");
}

static void connection(struct ends *ends, unsigned long count)
{
	open_connection(ends, count);
	close(ends->client);
	close(ends->accepted);
}

static void pass(int from, int to, size_t bytes)
{
	static _Thread_local char buffer[BULK_BYTES];

	if (send(from, buffer, bytes, MSG_NOSIGNAL) != (ssize_t)bytes || recv(to, buffer, bytes, MSG_WAITALL) != (ssize_t)bytes)
		fail("send and receive");
}

static void round_trip(struct ends *ends, unsigned long count)
{
	int on = 1;

	if (!count) {
		open_connection(ends, count);
		setsockopt(ends->client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		setsockopt(ends->accepted, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	}
	pass(ends->client, ends->accepted, 1);
	pass(ends->accepted, ends->client, 1);
}

static void bulk(struct ends *ends, unsigned long count)
{
	if (!count)
		open_connection(ends, count);
	pass(ends->client, ends->accepted, BULK_BYTES);
}

static void *run(void *context)
{
	struct worker *worker = context;
	struct ends ends = {};
	double end;

	pin(worker->cpu);
	open_listener(&ends);
	end = now() + worker->seconds;
	for (; now() < end; worker->count++)
		worker->repeat(&ends, worker->count);
	return NULL;
}

static void (*load_of(const char *name))(struct ends *, unsigned long)
{
	if (!strcmp(name, "connections"))
		return connection;
	if (!strcmp(name, "roundtrips"))
		return round_trip;
	return strcmp(name, "bulk") ? NULL : bulk;
}

int main(int count, char **arguments)
{
	double seconds = count > 1 ? atof(arguments[1]) : 0, began;
	void (*repeat)(struct ends *, unsigned long) = load_of(count > 2 ? arguments[2] : "connections");
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	struct worker workers[CPUS_MAX] = {};
	unsigned long done = 0;

	if (seconds <= 0 || seconds > 60 || !repeat) {
		fprintf(stderr, "Usage: loopback SECONDS [connections|roundtrips|bulk] (at most 60 s)\n");
		return 2;
	}
	cpus = cpus > CPUS_MAX ? CPUS_MAX : cpus;
	enter_namespace();
	began = now();
	for (int cpu = 0; cpu < cpus; cpu++) {
		workers[cpu].cpu = cpu;
		workers[cpu].seconds = seconds;
		workers[cpu].repeat = repeat;
		if (pthread_create(&workers[cpu].thread, NULL, run, &workers[cpu]))
			fail("pthread_create");
	}
	for (int cpu = 0; cpu < cpus; cpu++) {
		pthread_join(workers[cpu].thread, NULL);
		done += workers[cpu].count;
	}
	printf("{\"count\":%lu,\"seconds\":%.6f}\n", done, now() - began);
	return 0;
}
