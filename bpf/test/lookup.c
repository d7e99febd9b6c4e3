// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Calls getaddrinfo() as told, for the tests of the probe, in network and mount namespaces of its own with a resolver of its own.
 *
 * Each line of stdin is a command, each line of stdout its answer as JSON, with result, latencyNs (CLOCK_MONOTONIC around the call), pid and netns:
 *   lookup NAME [FAMILY]  a call with that name, "-" = NULL
 *   jump NAME             a call that a signal handler leaves by siglongjmp() after 50 ms
 *   cancel NAME           a thread cancelled in the call after 50 ms; result: whether its cleanup handler ran
 *   die NAME              a thread that ends in the call after 50 ms, by exit(2) alone
 *   filtered NAME         a call in a process whose seccomp filter kills for system calls that are newer than it (number 335 and above); result: how it ended, 0 = well
 *   map PATH              maps a file as if it were a library; result: errno
 * First of all one line tells that the resolver is ready.
 *
 * The resolver answers by the first label: delay-N after N ms with 192.0.2.1, nxdomain, servfail, silent never. "known.test" is in the hosts file.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <netdb.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MOMENT_US 50000

static sigjmp_buf before_call;
static char name[1024];
static int family;
static bool cleaned_up;

static void fail(const char *what)
{
	fprintf(stderr, "lookup: %s: %s\n", what, strerror(errno));
	exit(1);
}

static unsigned long long now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (unsigned long long)now.tv_sec * 1000000000ULL + (unsigned long long)now.tv_nsec;
}

/* ── The resolver ───────────────────────────────────────────────────────────────────────────────────────────────────── */

static size_t fill_answer(unsigned char *message, size_t length)
{
	static const unsigned char address[] = {0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 192, 0, 2, 1};
	const char *label = (const char *)message + 13;
	/* Type and class end the message: these resolver libraries add no EDNS record unless told to. */
	bool is_ipv4 = message[length - 3] == 1;

	message[2] = 0x81; /* an answer, recursion desired */
	message[3] = 0x80; /* and available */
	if (!strncmp(label, "nxdomain", 8))
		message[3] |= 3;
	else if (!strncmp(label, "servfail", 8))
		message[3] |= 2;
	if (message[3] == 0x80 && is_ipv4) {
		message[7] = 1;
		memcpy(message + length, address, sizeof(address));
		length += sizeof(address);
	}
	return length;
}

/* Each query in a process of its own, so that none waits for another. */
static void answer(int server)
{
	unsigned char message[1024] = {};
	struct sockaddr_in client;
	socklen_t size = sizeof(client);
	ssize_t length = recvfrom(server, message, 512, 0, (struct sockaddr *)&client, &size);

	if (length < 17 || fork())
		return;
	if (!strncmp((const char *)message + 13, "delay-", 6))
		usleep((useconds_t)atoi((const char *)message + 19) * 1000);
	if (strncmp((const char *)message + 13, "silent", 6))
		sendto(server, message, fill_answer(message, (size_t)length), 0, (struct sockaddr *)&client, size);
	_exit(0);
}

static pid_t start_resolver(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(53), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int server = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	pid_t resolver;

	if (server < 0 || bind(server, (struct sockaddr *)&address, sizeof(address)))
		fail("resolver");
	resolver = fork();
	if (resolver) {
		close(server);
		return resolver;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGCHLD, SIG_IGN);
	for (;;)
		answer(server);
}

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "we");

	if (!file || fputs(text, file) < 0 || fclose(file))
		fail(path);
}

static void enter_namespaces(void)
{
	struct ifreq loopback = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	int any;

	if (unshare(CLONE_NEWNET | CLONE_NEWNS))
		fail("namespaces");
	/* A root given by "unshare --root" is no mount, and private already. */
	if ((mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) && errno != EINVAL) || mount("etc", "/etc", "tmpfs", 0, NULL))
		fail("/etc");
	any = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (any < 0 || ioctl(any, SIOCSIFFLAGS, &loopback))
		fail("lo up");
	close(any);
	write_file("/etc/resolv.conf", "nameserver 127.0.0.1\noptions timeout:4 attempts:1\n");
	write_file("/etc/hosts", "192.0.2.7 known.test\n");
	write_file("/etc/nsswitch.conf", "hosts: files dns\n");
}

/* ── Commands ───────────────────────────────────────────────────────────────────────────────────────────────────────── */

static int call(const char *node)
{
	struct addrinfo hints = {.ai_family = family, .ai_socktype = SOCK_STREAM}, *found = NULL;
	int result = getaddrinfo(node, node ? NULL : "80", &hints, &found);

	if (found)
		freeaddrinfo(found);
	return result;
}

static void jump(int signal_number)
{
	(void)signal_number;
	siglongjmp(before_call, 1);
}

static int call_and_jump(void)
{
	signal(SIGALRM, jump);
	if (sigsetjmp(before_call, 1))
		return 0;
	ualarm(MOMENT_US, 0);
	call(name);
	return 1;
}

static void exit_thread(int signal_number)
{
	(void)signal_number;
	syscall(SYS_exit, 0);
}

static void clean_up(void *argument)
{
	(void)argument;
	cleaned_up = true;
}

static void *call_in_thread(void *argument)
{
	pthread_cleanup_push(clean_up, NULL);
	call(argument);
	pthread_cleanup_pop(0);
	return NULL;
}

static int call_and_end_thread(bool cancel)
{
	pthread_t thread;

	cleaned_up = false;
	signal(SIGUSR1, exit_thread);
	if (pthread_create(&thread, NULL, call_in_thread, name))
		fail("thread");
	usleep(MOMENT_US);
	if (!cancel)
		return pthread_kill(thread, SIGUSR1);
	pthread_cancel(thread);
	pthread_join(thread, NULL);
	return cleaned_up;
}

static int call_under_filter(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 335, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {.len = sizeof(filter) / sizeof(filter[0]), .filter = filter};
	pid_t child = fork();
	int status = -1;

	if (!child) {
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
			_exit(1);
		call(name);
		_exit(0);
	}
	waitpid(child, &status, 0);
	return status;
}

static int map(const char *path)
{
	int file = open(path, O_RDONLY | O_CLOEXEC);
	void *mapped = file < 0 ? MAP_FAILED : mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, file, 0);
	int error = mapped == MAP_FAILED ? errno : 0;

	if (file >= 0)
		close(file);
	return error;
}

static void report(int result, unsigned long long began_ns)
{
	struct stat netns;

	if (stat("/proc/self/ns/net", &netns))
		netns.st_ino = 0; /* a container without /proc */
	printf("{\"result\":%d,\"latencyNs\":%llu,\"pid\":%d,\"netns\":%llu}\n", result, now_ns() - began_ns, getpid(), (unsigned long long)netns.st_ino);
	fflush(stdout);
}

static void run(const char *command)
{
	unsigned long long began_ns = now_ns();

	if (!strcmp(command, "lookup"))
		report(call(strcmp(name, "-") ? name : NULL), began_ns);
	else if (!strcmp(command, "jump"))
		report(call_and_jump(), began_ns);
	else if (!strcmp(command, "filtered"))
		report(call_under_filter(), began_ns);
	else if (!strcmp(command, "map"))
		report(map(name), began_ns);
	else
		report(call_and_end_thread(!strcmp(command, "cancel")), began_ns);
}

int main(void)
{
	char line[1200], command[16];
	pid_t resolver;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	enter_namespaces();
	resolver = start_resolver();
	report(0, now_ns());
	while (fgets(line, sizeof(line), stdin)) {
		family = AF_UNSPEC;
		if (sscanf(line, "%15s %1023s %d", command, name, &family) >= 2)
			run(command);
	}
	kill(resolver, SIGKILL);
	waitpid(resolver, NULL, 0);
	return 0;
}
