/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stub resolver whose every step can be chosen, and which tells when it took it: CLOCK_MONOTONIC in microseconds. It asks all its
 * questions at once from one socket, as C libraries do with A and AAAA; what is not answered in time it asks again with the same ID.
 * Then it closes the socket and waits until its stdin closes.
 *
 *   dns-client [OPTIONS] ADDRESS PORT NAME/TYPE...   TYPE: A, AAAA or a number
 *     --connected        connect() first, as glibc and Go do; else sendto() from an unconnected socket, as musl does
 *     --tcp              over one TCP connection
 *     --split            each message in three segments (TCP)
 *     --attempts N       how often each question is asked (1)
 *     --timeout-ms N     how long each attempt waits (5000)
 *     --new-socket       a retry comes from a socket of its own, as glibc's does; the old one is closed
 *     --sequential       a question is asked once the one before is answered or given up
 *     --hold             the socket stays open to the end
 *     --source-port N    (any)
 *     --id N             of all questions (each has its own)
 *     --netns PATH, --name NAME, --real-time: as endpoint.c has them
 */
#include "clock.h"
#include "dns-message.h"
#include "output.h"
#include "process.h"
#include "socket-address.h"

#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define QUESTIONS_MAX 256
/* Between the segments of a message that is split, so that each is sent by itself; milliseconds. */
#define SEGMENT_PAUSE_MS 2

struct query {
	struct dns_question question;
	uint16_t id;
	bool answered;
};

static struct {
	struct socket_address server;
	const char *source_port;
	int attempts, timeout_ms, id;
	bool connected, tcp, split, new_socket, sequential, hold;
} options = { .attempts = 1, .timeout_ms = 5000, .id = -1, .source_port = "0" };

static struct query queries[QUESTIONS_MAX];
static size_t query_count;
/* What TCP has delivered of messages that are not complete. */
static uint8_t stream[65536 + 2];
static size_t stream_length;

static int open_socket(void)
{
	bool ipv4 = options.server.storage.ss_family == AF_INET;
	struct socket_address local = parse_address(ipv4 ? "0.0.0.0" : "::", options.source_port);
	int descriptor = socket(options.server.storage.ss_family, (options.tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC, 0), yes = 1;

	if (descriptor < 0)
		fail("socket");
	setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (bind(descriptor, (const struct sockaddr *)&local.storage, local.length) < 0)
		fail("bind");
	if (options.tcp)
		setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	if ((options.connected || options.tcp) &&
	    connect(descriptor, (const struct sockaddr *)&options.server.storage, options.server.length) < 0)
		fail("connect");
	stream_length = 0;
	return descriptor;
}

static void close_socket(int socket)
{
	char local[ADDRESS_TEXT_SIZE];
	uint64_t closed_ns;

	describe_local(socket, local, sizeof(local));
	closed_ns = monotonic_ns();
	close(socket);
	output_line("{\"event\":\"closed\",\"local\":%s,\"closedUs\":%.3f}", local, closed_ns / 1e3);
}

/* Returns when its last segment was sent. */
static uint64_t send_stream(int socket, const uint8_t *bytes, size_t length)
{
	uint64_t sent_ns = 0;
	size_t ends[] = { options.split ? 1 : length, options.split ? 1 + length / 2 : length, length }, sent = 0;

	for (size_t i = 0; i < 3 && sent < length; i++) {
		if (i > 0)
			usleep(SEGMENT_PAUSE_MS * 1000);
		sent_ns = monotonic_ns();
		if (send(socket, bytes + sent, ends[i] - sent, MSG_NOSIGNAL) < 0)
			fail("send");
		sent = ends[i];
	}
	return sent_ns;
}

static void ask(int socket, size_t index, int attempt)
{
	const struct query *query = &queries[index];
	char name[DNS_NAME_TEXT_SIZE], local[ADDRESS_TEXT_SIZE];
	uint8_t message[2 + DNS_QUERY_MAX];
	size_t length = dns_write_query(message + 2, query->id, &query->question);
	uint64_t sent_ns = monotonic_ns();

	dns_put_u16(message, length);
	if (options.tcp)
		sent_ns = send_stream(socket, message, 2 + length);
	else if (options.connected && send(socket, message + 2, length, 0) < 0)
		send(socket, message + 2, length, 0); /* what the first one returned was the ICMP error of the query before */
	else if (!options.connected)
		sendto(socket, message + 2, length, 0, (const struct sockaddr *)&options.server.storage, options.server.length);
	dns_describe_name(&query->question, name, sizeof(name));
	describe_local(socket, local, sizeof(local));
	output_line("{\"event\":\"asked\",\"index\":%zu,\"attempt\":%d,\"id\":%u,\"name\":\"%s\",\"type\":%u,\"local\":%s,\"sentUs\":%.3f}",
		    index, attempt, query->id, name, query->question.type, local, sent_ns / 1e3);
}

/* The question that a message answers, -1 for none: from the server, with the same ID and question. */
static int match(const uint8_t *message, size_t length, const struct sockaddr_storage *from)
{
	char sender[ADDRESS_TEXT_SIZE], server[ADDRESS_TEXT_SIZE];
	struct dns_question question;

	describe_address(from, sender, sizeof(sender));
	describe_address(&options.server.storage, server, sizeof(server));
	if (length < DNS_HEADER_SIZE || strcmp(sender, server) != 0 || !dns_read_question(message, length, &question))
		return -1;
	for (size_t i = 0; i < query_count; i++)
		if (!queries[i].answered && queries[i].id == dns_get_u16(message) &&
		    dns_same_question(&queries[i].question, &question))
			return i;
	return -1;
}

static void take_message(const uint8_t *message, size_t length, const struct sockaddr_storage *from, uint64_t received_ns)
{
	int index = match(message, length, from);
	char sender[ADDRESS_TEXT_SIZE];

	if (length < DNS_HEADER_SIZE)
		return;
	if (index >= 0)
		queries[index].answered = true;
	describe_address(from, sender, sizeof(sender));
	output_line("{\"event\":\"received\",\"index\":%d,\"id\":%u,\"rcode\":%u,\"truncated\":%s,\"answers\":%u,\"from\":%s,\"receivedUs\":%.3f}",
		    index, dns_get_u16(message), message[3] & 15, message[2] & DNS_FLAG_TRUNCATED ? "true" : "false",
		    dns_get_u16(message + 6), sender, received_ns / 1e3);
}

static void receive_datagram(int socket)
{
	struct sockaddr_storage from = { 0 };
	socklen_t from_length = sizeof(from);
	uint8_t message[65536];
	ssize_t length = recvfrom(socket, message, sizeof(message), MSG_DONTWAIT, (struct sockaddr *)&from, &from_length);

	if (length >= 0)
		take_message(message, length, &from, monotonic_ns());
}

/* False: the server has closed the connection. */
static bool receive_stream(int socket)
{
	ssize_t more = read(socket, stream + stream_length, sizeof(stream) - stream_length);
	uint64_t received_ns = monotonic_ns();

	if (more <= 0)
		return false;
	stream_length += more;
	while (stream_length >= 2 && stream_length >= 2U + dns_get_u16(stream)) {
		size_t used = 2 + dns_get_u16(stream);

		take_message(stream + 2, used - 2, &options.server.storage, received_ns);
		memmove(stream, stream + used, stream_length - used);
		stream_length -= used;
	}
	return true;
}

static bool all_answered(size_t first, size_t end)
{
	for (size_t i = first; i < end; i++)
		if (!queries[i].answered)
			return false;
	return true;
}

/* True: all were answered in time. */
static bool await_answers(int socket, size_t first, size_t end)
{
	uint64_t deadline_ns = monotonic_ns() + options.timeout_ms * 1000000ULL, now;
	struct pollfd descriptor = { .fd = socket, .events = POLLIN };

	while (!all_answered(first, end) && (now = monotonic_ns()) < deadline_ns) {
		struct timespec timeout = { (deadline_ns - now) / 1000000000ULL, (deadline_ns - now) % 1000000000ULL };

		if (ppoll(&descriptor, 1, &timeout, NULL) <= 0)
			continue;
		if (!options.tcp)
			receive_datagram(socket);
		else if (!receive_stream(socket))
			break;
	}
	return all_answered(first, end);
}

/* Asks the questions from `first` until before `end`, each as often as it takes. Returns the socket that is left. */
static int resolve(int socket, size_t first, size_t end)
{
	for (int attempt = 1; attempt <= options.attempts; attempt++) {
		if (attempt > 1 && options.new_socket) {
			close_socket(socket);
			socket = open_socket();
		}
		for (size_t i = first; i < end; i++)
			if (!queries[i].answered)
				ask(socket, i, attempt);
		if (await_answers(socket, first, end))
			break;
	}
	return socket;
}

static void add_question(char *text)
{
	struct query *query = &queries[query_count];
	char *type = strrchr(text, '/');

	if (type)
		*type++ = '\0';
	if (!type || query_count == QUESTIONS_MAX || !dns_parse_name(text, &query->question)) {
		fprintf(stderr, "dns-client: \"%s\" is not NAME/TYPE, or one too many\n", text);
		exit(2);
	}
	query->question.type = strcmp(type, "A") == 0 ? DNS_TYPE_A : strcmp(type, "AAAA") == 0 ? DNS_TYPE_AAAA : atoi(type);
	query->id = options.id >= 0 ? (uint16_t)options.id : (uint16_t)(monotonic_ns() / 1000 + 257 * query_count);
	query_count++;
}

static void parse_options(int argc, char **argv)
{
	static const struct option known[] = {
		{ "connected", no_argument, NULL, 'c' },	 { "tcp", no_argument, NULL, 't' },
		{ "split", no_argument, NULL, 's' },		 { "attempts", required_argument, NULL, 'a' },
		{ "timeout-ms", required_argument, NULL, 'w' },	 { "new-socket", no_argument, NULL, 'o' },
		{ "sequential", no_argument, NULL, 'q' },	 { "hold", no_argument, NULL, 'h' },
		{ "source-port", required_argument, NULL, 'p' }, { "id", required_argument, NULL, 'i' },
		{ "netns", required_argument, NULL, 'n' },	 { "name", required_argument, NULL, 'm' },
		{ "real-time", no_argument, NULL, 'r' },	 { 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (option) {
		case 'c': options.connected = true; break;
		case 't': options.tcp = true; break;
		case 's': options.split = true; break;
		case 'a': options.attempts = atoi(optarg); break;
		case 'w': options.timeout_ms = atoi(optarg); break;
		case 'o': options.new_socket = true; break;
		case 'q': options.sequential = true; break;
		case 'h': options.hold = true; break;
		case 'p': options.source_port = optarg; break;
		case 'i': options.id = atoi(optarg); break;
		case 'n': enter_namespace(optarg); break;
		case 'm': prctl(PR_SET_NAME, optarg); break;
		case 'r': take_precedence(); break;
		default: exit(2);
		}
	}
}

int main(int argc, char **argv)
{
	char ignored[256];
	int socket;

	prctl(PR_SET_TIMERSLACK, 1);
	parse_options(argc, argv);
	if (argc - optind < 3) {
		fprintf(stderr, "usage: dns-client [OPTIONS] ADDRESS PORT NAME/TYPE...\n");
		return 2;
	}
	options.server = parse_address(argv[optind], argv[optind + 1]);
	for (int i = optind + 2; i < argc; i++)
		add_question(argv[i]);
	socket = open_socket();
	for (size_t i = 0; i < query_count; i += options.sequential ? 1 : query_count)
		socket = resolve(socket, i, options.sequential ? i + 1 : query_count);
	if (!options.hold)
		close_socket(socket);
	output_line("{\"event\":\"done\"}");
	output_drain();
	while (read(STDIN_FILENO, ignored, sizeof(ignored)) > 0)
		;
	return 0;
}
