// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
#define _GNU_SOURCE
#include "library_finder.h"

#include <errno.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "privilege.h"

/* The finder's end of the connection. */
#define SOCKET 0

static pid_t finder;

/* Looks that their file system holds: a request that a FUSE server has taken and does not answer outlives even SIGKILL. */
#define HELD_MAX 8

static unsigned int held;

static bool end_within_deadline(pid_t looker)
{
	struct pollfd ended = {.fd = (int)syscall(SYS_pidfd_open, looker, 0), .events = POLLIN};
	bool in_time = ended.fd >= 0 && poll(&ended, 1, SCAN_DEADLINE_MILLISECONDS) == 1;

	if (ended.fd >= 0)
		close(ended.fd);
	return in_time;
}

static enum finder_message_kind await_end(pid_t looker)
{
	int status;

	if (end_within_deadline(looker) && waitpid(looker, &status, 0) == looker)
		return WIFEXITED(status) && !WEXITSTATUS(status) ? FINDER_COMPLETE : FINDER_STUCK;
	kill(looker, SIGKILL);
	held++;
	return FINDER_STUCK;
}

static enum finder_message_kind look(struct discovery *discovery, const char *function, const struct uprobe_type *uprobe, bool everywhere)
{
	pid_t finder = getpid(), looker;

	while (held && waitpid(-1, NULL, WNOHANG) > 0)
		held--;
	if (held >= HELD_MAX)
		return FINDER_STUCK;
	looker = fork();
	if (!looker) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() == finder)
			library_scan(discovery, SOCKET, function, uprobe, everywhere);
		_exit(0);
	}
	return looker > 0 ? await_end(looker) : FINDER_STUCK;
}

static void __attribute__((noreturn)) serve(struct discovery *discovery, const char *function, const struct uprobe_type *uprobe, bool everywhere)
{
	struct finder_message answer = {};
	char request;

	while (recv(SOCKET, &request, sizeof(request), 0) == sizeof(request)) {
		answer.kind = look(discovery, function, uprobe, everywhere);
		send(SOCKET, &answer, sizeof(answer), MSG_NOSIGNAL);
	}
	_exit(0);
}

int library_finder_start(struct discovery *discovery, const char *function, const struct uprobe_type *uprobe, bool everywhere)
{
	/* CAP_SYS_ADMIN: uprobes, since July 2025 and the stable kernels of that time ("perf: Revert to requiring CAP_SYS_ADMIN for uprobes"); before, and where it is missing, the others do. */
	static const int needed[] = {CAP_SYS_PTRACE, CAP_SYS_ADMIN, CAP_PERFMON, CAP_CHECKPOINT_RESTORE};
	pid_t probe = getpid();
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
		return -errno;
	finder = fork();
	if (finder < 0) {
		int error = -errno;

		close(ends[0]);
		close(ends[1]);
		return error;
	}
	if (!finder) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_SET_NAME, "synscope-finder");
		/* Nothing of the probe's is kept: who reads its output must see it end. */
		if (getppid() == probe && dup2(ends[1], SOCKET) == SOCKET && !close_range(SOCKET + 1, ~0U, 0) &&
		    !privilege_narrow(needed, sizeof(needed) / sizeof(needed[0])))
			serve(discovery, function, uprobe, everywhere);
		_exit(1);
	}
	close(ends[1]);
	return ends[0];
}

void library_finder_end(int socket)
{
	kill(finder, SIGKILL);
	waitpid(finder, NULL, 0);
	close(socket);
}
