/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A DNS server that answers as the name tells it to (dns-behaviour.h), over UDP and TCP, and tells when it took each query and when it
 * sent each answer: CLOCK_MONOTONIC in microseconds. It lives until its stdin closes.
 *
 *   dns-server [OPTIONS] ADDRESS...   --port N             (53)
 *                                     --elsewhere ADDRESS  the other address of its family, from which `elsewhere` is answered
 *                                     --receive-buffer N   SO_RCVBUF of the UDP sockets, bytes
 *                                     --netns PATH, --name NAME, --real-time: as endpoint.c has them
 */
#include "clock.h"
#include "dns-behaviour.h"
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

#define ADDRESSES_MAX 8
#define CONNECTIONS_MAX 64
#define PENDING_MAX 4096
#define SEEN_MAX 1024
/* Between the segments of a `split` answer, so that each is sent by itself; milliseconds. */
#define SEGMENT_PAUSE_MS 2

enum { POLL_INPUT, POLL_OUTPUT, POLL_LISTENERS };

struct connection {
	int socket; /* -1: free */
	size_t length;
	uint8_t bytes[2 + DNS_ANSWER_MAX];
};

/* A query that waits for its answer. */
struct exchange {
	int socket;			/* that it came by; -1: the connection was closed */
	struct connection *connection;	/* NULL: UDP */
	struct sockaddr_storage client;
	socklen_t client_length;
	uint64_t received_ns, due_ns;
	uint16_t id;
	struct dns_question question;
	struct dns_behaviour behaviour;
};

static const char *port = "53";
static int receive_buffer;
/* By pairs: UDP, TCP. */
static int listeners[2 * ADDRESSES_MAX];
static size_t listener_count;
static int elsewhere_ipv4 = -1, elsewhere_ipv6 = -1;
static struct connection connections[CONNECTIONS_MAX];
static struct exchange pending[PENDING_MAX];
static size_t pending_count;

static int bound_socket(const struct socket_address *address, int type)
{
	int descriptor = socket(address->storage.ss_family, type | SOCK_CLOEXEC, 0), yes = 1;

	if (descriptor < 0)
		fail("socket");
	setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (type == SOCK_DGRAM && receive_buffer > 0 &&
	    setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof(receive_buffer)) < 0)
		fail("set SO_RCVBUF");
	if (bind(descriptor, (const struct sockaddr *)&address->storage, address->length) < 0)
		fail("bind");
	return descriptor;
}

static void listen_at(const char *host)
{
	struct socket_address address = parse_address(host, port);
	char local[ADDRESS_TEXT_SIZE];
	socklen_t length;

	if (listener_count == 2 * ADDRESSES_MAX) {
		fprintf(stderr, "dns-server: more than %d addresses\n", ADDRESSES_MAX);
		exit(2);
	}
	listeners[listener_count] = bound_socket(&address, SOCK_DGRAM);
	/* Port 0: TCP takes the one that UDP was given. */
	length = sizeof(address.storage);
	getsockname(listeners[listener_count], (struct sockaddr *)&address.storage, &length);
	listeners[listener_count + 1] = bound_socket(&address, SOCK_STREAM);
	if (listen(listeners[listener_count + 1], CONNECTIONS_MAX) < 0)
		fail("listen");
	describe_local(listeners[listener_count], local, sizeof(local));
	output_line("{\"event\":\"listening\",\"local\":%s}", local);
	listener_count += 2;
}

/* Whether this name and type were asked for the first time. */
static bool first_of_its_kind(const struct dns_question *question)
{
	static struct dns_question seen[SEEN_MAX];
	static size_t count;

	for (size_t i = 0; i < count; i++)
		if (dns_same_question(&seen[i], question))
			return false;
	if (count < SEEN_MAX)
		seen[count++] = *question;
	return true;
}

static void tell(const struct exchange *exchange, uint64_t sent_ns, size_t length)
{
	char client[ADDRESS_TEXT_SIZE], name[DNS_NAME_TEXT_SIZE], answer[64] = "";

	describe_address(&exchange->client, client, sizeof(client));
	dns_describe_name(&exchange->question, name, sizeof(name));
	if (sent_ns)
		snprintf(answer, sizeof(answer), ",\"sentUs\":%.3f,\"length\":%zu", sent_ns / 1e3, length);
	output_line("{\"event\":\"%s\",\"transport\":\"%s\",\"client\":%s,\"id\":%u,\"name\":\"%s\",\"type\":%u,\"receivedUs\":%.3f%s}",
		    sent_ns ? "answer" : "query", exchange->connection ? "tcp" : "udp", client, exchange->id, name,
		    exchange->question.type, exchange->received_ns / 1e3, answer);
}

static void take_query(struct exchange *exchange, const uint8_t *message, size_t length)
{
	const struct dns_behaviour *behaviour = &exchange->behaviour;
	uint32_t delay_ms;

	if (!dns_read_question(message, length, &exchange->question) || message[2] & DNS_FLAG_RESPONSE)
		return;
	exchange->id = dns_get_u16(message);
	exchange->behaviour = dns_behaviour_of(&exchange->question);
	tell(exchange, 0, 0);
	if (behaviour->silent || (behaviour->tcp_only && !exchange->connection))
		return;
	delay_ms = behaviour->first_delay_ms && first_of_its_kind(&exchange->question) ? behaviour->first_delay_ms : behaviour->delay_ms;
	exchange->due_ns = exchange->received_ns + delay_ms * 1000000ULL;
	if (pending_count == PENDING_MAX) {
		fprintf(stderr, "dns-server: more than %d queries wait\n", PENDING_MAX);
		exit(1);
	}
	pending[pending_count++] = *exchange;
}

static void receive_datagrams(int socket)
{
	for (;;) {
		struct exchange exchange = { .socket = socket, .client_length = sizeof(exchange.client) };
		uint8_t message[DNS_ANSWER_MAX];
		ssize_t length = recvfrom(socket, message, sizeof(message), MSG_DONTWAIT, (struct sockaddr *)&exchange.client,
					  &exchange.client_length);

		exchange.received_ns = monotonic_ns();
		if (length < 0)
			return; /* nothing left, or the ICMP error of an answer that nobody wanted */
		take_query(&exchange, message, length);
	}
}

static void accept_connection(int listener)
{
	int descriptor = accept4(listener, NULL, NULL, SOCK_CLOEXEC), yes = 1;

	if (descriptor < 0)
		return;
	setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
		if (connections[i].socket < 0) {
			connections[i].socket = descriptor;
			connections[i].length = 0;
			return;
		}
	}
	close(descriptor);
}

static void close_connection(struct connection *connection)
{
	for (size_t i = 0; i < pending_count; i++)
		if (pending[i].connection == connection)
			pending[i].socket = -1;
	close(connection->socket);
	connection->socket = -1;
}

static void receive_stream(struct connection *connection)
{
	ssize_t more = read(connection->socket, connection->bytes + connection->length, sizeof(connection->bytes) - connection->length);
	uint64_t received_ns = monotonic_ns();

	if (more <= 0) {
		close_connection(connection);
		return;
	}
	connection->length += more;
	while (connection->length >= 2) {
		struct exchange exchange = { .socket = connection->socket, .connection = connection, .received_ns = received_ns };
		size_t used = 2 + dns_get_u16(connection->bytes);

		if (used > sizeof(connection->bytes)) {
			close_connection(connection);
			return;
		}
		if (used > connection->length)
			return;
		exchange.client_length = sizeof(exchange.client);
		getpeername(connection->socket, (struct sockaddr *)&exchange.client, &exchange.client_length);
		take_query(&exchange, connection->bytes + 2, used - 2);
		memmove(connection->bytes, connection->bytes + used, connection->length - used);
		connection->length -= used;
	}
}

/* Returns when its last segment was sent. */
static uint64_t send_stream(int socket, const uint8_t *bytes, size_t length, bool split)
{
	uint64_t sent_ns = 0;
	size_t ends[] = { split ? 1 : length, split ? 1 + length / 2 : length, length }, sent = 0;

	for (size_t i = 0; i < 3 && sent < length; i++) {
		if (i > 0)
			usleep(SEGMENT_PAUSE_MS * 1000);
		sent_ns = monotonic_ns();
		/* A client that has gone is told by the next read. */
		if (send(socket, bytes + sent, ends[i] - sent, MSG_NOSIGNAL) < 0)
			break;
		sent = ends[i];
	}
	return sent_ns;
}

static void send_answer(const struct exchange *exchange)
{
	uint8_t message[2 + DNS_ANSWER_MAX];
	size_t length = dns_write_answer(message + 2, exchange->id, &exchange->question, &exchange->behaviour, exchange->connection);
	int socket = exchange->socket;
	uint64_t sent_ns;

	if (socket < 0)
		return;
	if (exchange->behaviour.elsewhere && !exchange->connection)
		socket = exchange->client.ss_family == AF_INET ? elsewhere_ipv4 : elsewhere_ipv6;
	for (int times = exchange->behaviour.twice ? 2 : 1; times > 0; times--) {
		sent_ns = monotonic_ns();
		if (exchange->connection) {
			dns_put_u16(message, length);
			sent_ns = send_stream(socket, message, 2 + length, exchange->behaviour.split);
		} else {
			sendto(socket, message + 2, length, 0, (const struct sockaddr *)&exchange->client, exchange->client_length);
		}
		tell(exchange, sent_ns, length);
	}
}

/* Sends what is due. Returns when the next one is, UINT64_MAX without one. */
static uint64_t send_due(void)
{
	uint64_t next = UINT64_MAX;

	for (size_t i = 0; i < pending_count;) {
		if (pending[i].due_ns <= monotonic_ns()) {
			send_answer(&pending[i]);
			/* The order of those that wait for the same moment is kept. */
			memmove(&pending[i], &pending[i + 1], (--pending_count - i) * sizeof(pending[0]));
			continue;
		}
		if (pending[i].due_ns < next)
			next = pending[i].due_ns;
		i++;
	}
	return next;
}

/* False: stdin was closed. */
static bool wait_and_receive(uint64_t due_ns)
{
	static struct pollfd descriptors[POLL_LISTENERS + 2 * ADDRESSES_MAX + CONNECTIONS_MAX];
	nfds_t first_connection = POLL_LISTENERS + listener_count;
	uint64_t now = monotonic_ns(), wait = due_ns > now ? due_ns - now : 0;
	struct timespec timeout = { wait / 1000000000ULL, wait % 1000000000ULL };

	descriptors[POLL_INPUT] = (struct pollfd){ .fd = STDIN_FILENO, .events = POLLIN };
	descriptors[POLL_OUTPUT] = (struct pollfd){ .fd = STDOUT_FILENO, .events = output_pending() ? POLLOUT : 0 };
	for (size_t i = 0; i < listener_count; i++)
		descriptors[POLL_LISTENERS + i] = (struct pollfd){ .fd = listeners[i], .events = POLLIN };
	for (size_t i = 0; i < CONNECTIONS_MAX; i++)
		descriptors[first_connection + i] = (struct pollfd){ .fd = connections[i].socket, .events = POLLIN };
	if (ppoll(descriptors, first_connection + CONNECTIONS_MAX, due_ns == UINT64_MAX ? NULL : &timeout, NULL) < 0 && errno != EINTR)
		fail("poll");
	if (descriptors[POLL_INPUT].revents)
		return false;
	for (size_t i = 0; i < listener_count; i++) {
		if (!descriptors[POLL_LISTENERS + i].revents)
			continue;
		if (i % 2 == 0)
			receive_datagrams(listeners[i]);
		else
			accept_connection(listeners[i]);
	}
	for (size_t i = 0; i < CONNECTIONS_MAX; i++)
		if (descriptors[first_connection + i].fd >= 0 && descriptors[first_connection + i].revents)
			receive_stream(&connections[i]);
	return true;
}

static void open_elsewhere(const char *host)
{
	struct socket_address address = parse_address(host, port);

	*(address.storage.ss_family == AF_INET ? &elsewhere_ipv4 : &elsewhere_ipv6) = bound_socket(&address, SOCK_DGRAM);
}

int main(int argc, char **argv)
{
	static const struct option known[] = {
		{ "port", required_argument, NULL, 'p' },	   { "elsewhere", required_argument, NULL, 'e' },
		{ "receive-buffer", required_argument, NULL, 'b' }, { "netns", required_argument, NULL, 'n' },
		{ "name", required_argument, NULL, 'm' },	   { "real-time", no_argument, NULL, 'r' },
		{ 0 },
	};
	int option;

	prctl(PR_SET_TIMERSLACK, 1);
	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (option) {
		case 'p': port = optarg; break;
		case 'e': open_elsewhere(optarg); break; /* behind --netns and --port */
		case 'b': receive_buffer = atoi(optarg); break;
		case 'n': enter_namespace(optarg); break;
		case 'm': prctl(PR_SET_NAME, optarg); break;
		case 'r': take_precedence(); break;
		default: return 2;
		}
	}
	if (optind == argc) {
		fprintf(stderr, "usage: dns-server [OPTIONS] ADDRESS...\n");
		return 2;
	}
	for (size_t i = 0; i < CONNECTIONS_MAX; i++)
		connections[i].socket = -1;
	for (int i = optind; i < argc; i++)
		listen_at(argv[i]);
	do
		output_flush();
	while (wait_and_receive(send_due()));
	output_drain();
	return 0;
}
