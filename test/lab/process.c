/* SPDX-License-Identifier: Apache-2.0 */
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void fail(const char *what)
{
	fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, strerror(errno));
	exit(1);
}

void enter_namespace(const char *path)
{
	int netns = open(path, O_RDONLY | O_CLOEXEC);

	if (netns < 0 || setns(netns, CLONE_NEWNET) < 0)
		fail(path);
	close(netns);
}

void take_precedence(void)
{
	struct sched_param parameters = { .sched_priority = 5 }; /* below the relay's */

	if (sched_setscheduler(0, SCHED_FIFO, &parameters) < 0)
		fprintf(stderr, "%s: no real-time priority (%s); times are less exact\n", program_invocation_short_name,
			strerror(errno));
}
