/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fastest DNS server that there can be, for load: every datagram goes back as it came, made an answer by its QR bit. It writes one
 * line when it listens and one, with how many it took, when its stdin closes.
 *
 *   dns-reflector [--netns PATH] [--name NAME] [--silent] ADDRESS PORT     --silent: it takes every query and answers none
 */
#include "process.h"
#include "socket-address.h"

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#define BATCH 256
#define MESSAGE_MAX 1232 /* what fits into one packet everywhere (DNS flag day 2020) */
#define HEADER_SIZE 12
#define RESPONSE 0x80
/* Room for what comes while the machine is busy elsewhere, bytes. */
#define RECEIVE_BUFFER (8 << 20)

static uint8_t messages[BATCH][MESSAGE_MAX];
static struct sockaddr_storage senders[BATCH];
static struct iovec parts[BATCH];
static struct mmsghdr headers[BATCH];

static int open_socket(struct socket_address address)
{
	int descriptor = socket(address.storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0), size = RECEIVE_BUFFER;

	if (descriptor < 0)
		fail("socket");
	setsockopt(descriptor, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	if (bind(descriptor, (const struct sockaddr *)&address.storage, address.length) < 0)
		fail("bind");
	return descriptor;
}

static void answer(int socket, int count)
{
	for (int sent = 0; sent < count;) {
		int more = sendmmsg(socket, headers + sent, count - sent, 0);

		/* The ICMP error of an earlier answer, which nobody waited for any more. */
		if (more < 0 && errno != ECONNREFUSED)
			fail("sendmmsg");
		sent += more < 0 ? 0 : more;
	}
}

/* Takes all that waits. Returns how many that were. */
static uint64_t reflect(int socket, bool silent)
{
	uint64_t taken = 0;
	int count;

	do {
		int queries = 0;

		for (int i = 0; i < BATCH; i++) {
			parts[i] = (struct iovec){ messages[i], MESSAGE_MAX };
			headers[i].msg_hdr = (struct msghdr){
				.msg_name = &senders[i], .msg_namelen = sizeof(senders[i]), .msg_iov = &parts[i], .msg_iovlen = 1
			};
		}
		count = recvmmsg(socket, headers, BATCH, MSG_DONTWAIT, NULL);
		for (int i = 0; i < count; i++) {
			if (headers[i].msg_len < HEADER_SIZE || messages[i][2] & RESPONSE)
				continue;
			messages[i][2] |= RESPONSE;
			parts[i].iov_len = headers[i].msg_len;
			headers[queries++] = headers[i];
		}
		if (!silent)
			answer(socket, queries);
		taken += queries;
	} while (count == BATCH);
	return taken;
}

int main(int argc, char **argv)
{
	static const struct option known[] = {
		{ "netns", required_argument, NULL, 'n' }, { "name", required_argument, NULL, 'm' }, { "silent", no_argument, NULL, 's' }, { 0 }
	};
	struct pollfd descriptors[] = { { .fd = STDIN_FILENO, .events = POLLIN }, { .events = POLLIN } };
	char local[ADDRESS_TEXT_SIZE];
	uint64_t taken = 0;
	bool silent = false;
	int option;

	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (option) {
		case 'n': enter_namespace(optarg); break;
		case 'm': prctl(PR_SET_NAME, optarg); break;
		case 's': silent = true; break;
		default: return 2;
		}
	}
	if (argc - optind != 2) {
		fprintf(stderr, "usage: dns-reflector [OPTIONS] ADDRESS PORT\n");
		return 2;
	}
	descriptors[1].fd = open_socket(parse_address(argv[optind], argv[optind + 1]));
	describe_local(descriptors[1].fd, local, sizeof(local));
	printf("{\"event\":\"listening\",\"local\":%s}\n", local);
	fflush(stdout);
	while (poll(descriptors, 2, -1) < 0 || !descriptors[0].revents)
		if (descriptors[1].revents)
			taken += reflect(descriptors[1].fd, silent);
	printf("{\"event\":\"taken\",\"count\":%lu}\n", taken);
	return 0;
}
